// The current time for what counts: ages, countdowns and bars that still grow.
import { useEffect, useState } from './html.js';

/** Milliseconds since 1970, renewed every `period` milliseconds while the page is visible. 0 stops the clock. */
export function useNow(period = 1000) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!period) {
      return undefined;
    }
    const timer = setInterval(() => !document.hidden && setNow(Date.now()), period);
    return () => clearInterval(timer);
  }, [period]);
  return now;
}
