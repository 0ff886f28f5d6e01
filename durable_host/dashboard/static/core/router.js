// The address of the page: which view is shown, and its filters. Every view can be linked to.
import { useEffect, useState } from './html.js';

const BASE = new URL('../../', import.meta.url).pathname; // /_df/
const CHANGED = 'df-route';

/** The parts of the path below the base, decoded: `/_df/instances/a%2Fb` gives `['instances', 'a/b']`. */
function parts() {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : '';
  return path.split('/').filter(Boolean).map(decoded);
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function current() {
  return { parts: parts(), query: Object.fromEntries(new URLSearchParams(location.search)) };
}

/** The address of a view. Parts are encoded; empty values of the query are left out. */
export function link(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') {
      search.set(name, value);
    }
  }
  const text = search.toString();
  return BASE + path.map(encodeURIComponent).join('/') + (text ? `?${text}` : '');
}

export const instanceLink = (id, query) => link(['instances', id], query);

/** Go to an address. `replace` keeps the previous entry of the browser's history. */
export function navigate(href, { replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', href);
  dispatchEvent(new Event(CHANGED));
}

/** Change some parameters of the query and keep the rest. */
export function setQuery(changes, options = { replace: true }) {
  const { parts: path, query } = current();
  navigate(link(path, { ...query, ...changes }), options);
}

export function useRoute() {
  const [route, setRoute] = useState(current);
  useEffect(() => {
    const update = () => setRoute(current());
    addEventListener('popstate', update);
    addEventListener(CHANGED, update);
    return () => {
      removeEventListener('popstate', update);
      removeEventListener(CHANGED, update);
    };
  }, []);
  return route;
}

/** Links inside the dashboard change the view without loading the page again. */
export function followLinks() {
  document.addEventListener('click', (event) => {
    const anchor = event.target.closest?.('a[href]');
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!anchor || !isPlain || event.defaultPrevented || anchor.target || anchor.hasAttribute('download')) {
      return;
    }
    const url = new URL(anchor.href);
    if (url.origin === location.origin && url.pathname.startsWith(BASE) && !url.hash) {
      event.preventDefault();
      navigate(url.pathname + url.search);
    }
  });
}
