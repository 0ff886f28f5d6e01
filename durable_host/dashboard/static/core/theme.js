// Dark or light: the system's choice, or the reader's, which the browser keeps.
import { useState } from './html.js';

const KEY = 'df-theme';
const system = matchMedia('(prefers-color-scheme: dark)');

export function useTheme() {
  const [theme, setTheme] = useState(() => document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light'));
  const toggle = () => {
    const next = theme === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // Storage is turned off in this browser: the choice lasts until the page is closed.
    }
    setTheme(next);
  };
  return [theme, toggle];
}
