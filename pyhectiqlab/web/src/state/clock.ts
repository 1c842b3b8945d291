// The time. It ticks only while a component shows it.

import { useEffect, useMemo, useState } from 'preact/hooks';

const now_s = () => Date.now() / 1000;

export function useNow(ticking: boolean): number {
  const [now, setNow] = useState(now_s);
  useEffect(() => {
    if (!ticking) return;
    const timer = setInterval(() => void (document.hidden || setNow(now_s())), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}

/**
 * Return the time when `news` came, then the time every `every_ms` until other news come. So what changes with news and with time
 * is drawn in one frame: a frame costs the browser as much as a dozen rows.
 */
export function useNowWith(news: unknown, every_ms: number): number {
  const [ticks, setTicks] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => void (document.hidden || setTicks((n) => n + 1)), every_ms);
    return () => clearInterval(timer);
  }, [news, every_ms]);
  return useMemo(now_s, [news, ticks]);
}
