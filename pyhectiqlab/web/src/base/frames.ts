// Work that may wait for the next frame: as much of it in each as leaves the page smooth.

const BUDGET_MS = 6; // of a frame of 16 ms, of which the browser needs the rest to paint
const STILL_BUDGET_MS = 30; // while nobody would see a frame that comes late: painting one more costs more than most tasks
const TICKS = 4; // what a task makes others do in microtasks (render, then draw) belongs to it

/**
 * Does tasks one after the other, at least one a frame and more while they are short. A task that is given under the name of one
 * that waits replaces it, in its place. `isStill`: whether the page lies still.
 */
export class Frames {
  private readonly waiting = new Map<unknown, () => void>();
  private running = false;

  constructor(
    private readonly nextFrame: (turn: () => void) => void = (turn) => requestAnimationFrame(turn),
    private readonly now: () => number = () => performance.now(),
    private readonly isStill: () => boolean = () => false,
  ) {}

  add(name: unknown, task: () => void): void {
    this.waiting.set(name, task);
    if (this.running) return;
    this.running = true;
    this.nextFrame(() => void this.turn());
  }

  drop(name: unknown): void {
    this.waiting.delete(name);
  }

  private async turn(): Promise<void> {
    const begin = this.now();
    for (const [name, task] of this.waiting) {
      this.waiting.delete(name);
      task();
      for (let i = 0; i < TICKS; i++) await null;
      if (this.now() - begin > (this.isStill() ? STILL_BUDGET_MS : BUDGET_MS)) break;
    }
    this.running = this.waiting.size > 0;
    if (this.running) this.nextFrame(() => void this.turn());
  }
}
