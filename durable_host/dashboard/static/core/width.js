// The width of an element in pixels, kept up to date.
import { useEffect, useState } from './html.js';

export function useWidth(ref, first = 700) {
  const [width, setWidth] = useState(first);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(120, Math.floor(entry.contentRect.width))));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return width;
}
