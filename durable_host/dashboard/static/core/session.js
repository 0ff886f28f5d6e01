// What the host is, and what the page may do with it. Read once at the start and after each reconnection.
import { onChange } from './changes.js';
import { get } from './api.js';
import { useEffect, useState } from './html.js';

const UNKNOWN = { version: '', hub: null, isReadOnly: true, app: null, canFireTimers: false, isKnown: false };
const watchers = new Set();
let session = UNKNOWN;

async function loadSession() {
  try {
    session = { ...(await get('session')), isKnown: true };
    watchers.forEach((watcher) => watcher(session));
  } catch {
    // The host is not reachable. The stream of changes shows that, and asks again when it is back.
  }
}

export function keepSession() {
  onChange((event) => event === 'resync' && loadSession());
  return loadSession();
}

export function useSession() {
  const [shown, setShown] = useState(session);
  useEffect(() => {
    watchers.add(setShown);
    setShown(session);
    return () => watchers.delete(setShown);
  }, []);
  return shown;
}
