// One resource of the API that a view shows: loaded, and loaded again when the host says that it has changed.
import { getText } from './api.js';
import { onChange } from './changes.js';
import { useCallback, useEffect, useRef, useState } from './html.js';

const SHORTEST_GAP = 250;

/**
 * `{data, error, isLoading, reload}` of a resource; `resource` null loads nothing.
 *
 * `on` names the changes that concern it, `concerns(data)` narrows them. While a resource is loaded again, the previous data
 * stays, and after an error too. A slow answer is not asked for again before three times its duration has passed.
 */
export function useResource(resource, { on = [], concerns = () => true } = {}) {
  const [state, setState] = useState({ resource: null, data: null, error: null, isLoading: true });
  const live = useRef({});
  live.current.concerns = concerns;
  const reload = useCallback(() => live.current.request?.(0), []);

  useEffect(() => {
    if (resource === null) {
      setState({ resource, data: null, error: null, isLoading: false });
      return undefined;
    }
    const abort = new AbortController();
    let previous = null;
    let timer = null;
    let isBusy = false;
    let isDirty = false;
    let gap = SHORTEST_GAP;

    async function load() {
      timer = null;
      isBusy = true;
      isDirty = false;
      const started = performance.now();
      try {
        const text = await getText(resource, abort.signal);
        if (abort.signal.aborted) {
          return;
        }
        if (text !== previous) {
          previous = text;
          setState({ resource, data: JSON.parse(text), error: null, isLoading: false });
        } else {
          setState((old) => (old.error ? { ...old, error: null } : old));
        }
      } catch (error) {
        if (!abort.signal.aborted) {
          previous = null;
          setState((old) => ({ ...old, resource, error, isLoading: false }));
        }
      } finally {
        isBusy = false;
        gap = Math.max(SHORTEST_GAP, 3 * (performance.now() - started));
        if (isDirty && !abort.signal.aborted) {
          request(gap);
        }
      }
    }

    function request(delay) {
      if (isBusy) {
        isDirty = true;
      } else if (delay === 0) {
        clearTimeout(timer);
        load();
      } else {
        timer ??= setTimeout(load, delay);
      }
    }

    live.current.request = request;
    setState((old) => ({ ...old, isLoading: true, error: null }));
    load();
    const stop = onChange((event, data) => {
      if (event === 'resync' || (on.includes(event) && live.current.concerns(data))) {
        request(gap);
      }
    });
    return () => {
      stop();
      abort.abort();
      clearTimeout(timer);
    };
  }, [resource]);

  return { ...state, isStale: state.resource !== resource && state.data !== null, reload };
}
