// The stream of changes from the host. One connection for the page, closed while the page is hidden.
//
// A browser opens only six connections to one origin, so hidden pages must not hold one.
import { eventsUrl } from './api.js';
import { useEffect, useState } from './html.js';

const EVENTS = ['instances', 'entities', 'queues', 'functions', 'hub'];
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
/** The state of the hub comes once a second. A connection on which it has stopped is broken. */
const SILENCE = 40_000;

const listeners = new Set();
const watchers = new Set();
let source = null;
let instance = null;
let wait = FIRST_WAIT;
let timer = null;
let heard = null;
let hasConnected = false;
let state = { name: 'connecting', retryAt: null };

/** Call `listener(event, data)` on each change. The event `resync` means: anything may have changed. */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Narrow the stream to one instance, or widen it with null. */
export function narrowTo(id) {
  if (id !== instance) {
    instance = id;
    if (source) {
      connect();
    }
  }
}

export function startChanges() {
  document.addEventListener('visibilitychange', () => (document.hidden ? pause() : connect()));
  addEventListener('pagehide', pause);
  addEventListener('pageshow', (event) => event.persisted && connect());
  setInterval(() => source && heard && Date.now() - heard > SILENCE && retryLater(), 5000);
  if (!document.hidden) {
    connect();
  }
}

export function retryNow() {
  wait = FIRST_WAIT;
  connect();
}

/** `{name, retryAt}`: name is connecting, live, offline or paused; `retryAt` in milliseconds. */
export function useConnection() {
  const [shown, setShown] = useState(state);
  useEffect(() => {
    watchers.add(setShown);
    setShown(state);
    return () => watchers.delete(setShown);
  }, []);
  return shown;
}

function connect() {
  close();
  if (state.name !== 'offline') {
    become('connecting');
  }
  heard = null;
  source = new EventSource(eventsUrl({ instance }));
  source.onopen = opened;
  source.onerror = retryLater;
  for (const name of EVENTS) {
    source.addEventListener(name, (event) => {
      heard = name === 'hub' ? Date.now() : heard;
      emit(name, parsed(event.data));
    });
  }
}

function opened() {
  wait = FIRST_WAIT;
  become('live');
  if (hasConnected) {
    emit('resync', null);
  }
  hasConnected = true;
}

function retryLater() {
  close();
  const delay = wait * (0.75 + Math.random() / 2);
  wait = Math.min(LONGEST_WAIT, wait * 2);
  become('offline', Date.now() + delay);
  timer = setTimeout(connect, delay);
}

function pause() {
  close();
  become('paused');
}

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function become(name, retryAt = null) {
  state = { name, retryAt };
  watchers.forEach((watcher) => watcher(state));
}

function emit(name, data) {
  [...listeners].forEach((listener) => listener(name, data));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
