// Work that may wait for the next frame. Each frame gets as much of it as keeps the page smooth.

const BUDGET_MS = 6; // of the 16 ms of a frame; the browser paints in the rest
const STILL_BUDGET_MS = 30; // if nobody would notice a late frame: another paint costs more than most tasks
const TICKS = 4; // microtasks that a task causes (render, then draw) count as its own time

/**
 * Runs tasks one after the other: at least one in a frame, and more while they are short. A task that comes under the name of a
 * waiting one takes its place. `isStill`: whether nothing on the page moves.
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
