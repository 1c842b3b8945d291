// The time, which ticks only while a component shows it.

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
 * The time at which `news` came, and every `every_ms` afterwards as long as no other came: what news and time change is
 * drawn in the same frame, of which each costs the browser as much as a dozen rows.
 */
export function useNowWith(news: unknown, every_ms: number): number {
  const [ticks, setTicks] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => void (document.hidden || setTicks((n) => n + 1)), every_ms);
    return () => clearInterval(timer);
  }, [news, every_ms]);
  return useMemo(now_s, [news, ticks]);
}
