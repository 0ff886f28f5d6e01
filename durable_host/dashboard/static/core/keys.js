// Keyboard shortcuts: single keys, and `g` followed by a letter. They do nothing while the reader types.
import { useLayoutEffect, useRef } from './html.js';

const SEQUENCE_TIME = 1500;
const layers = [];
let prefix = '';
let prefixTime = 0;

/** Bind keys while a component is shown: `{'/': focusSearch, 'g i': goToInstances}`. The newest component wins. */
export function useKeys(bindings) {
  const current = useRef(bindings);
  current.current = bindings;
  useLayoutEffect(() => {  // before the reader sees the component
    layers.push(current);
    return () => layers.splice(layers.indexOf(current), 1);
  }, []);
}

export function listenForKeys() {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
      return;
    }
    const isTyping = event.target.matches?.('input:not([type=checkbox]), textarea, select, [contenteditable]');
    const isInDialog = document.querySelector('dialog[open]') !== null;
    if (isTyping || isInDialog) {
      return;
    }
    const isSecond = prefix && Date.now() - prefixTime < SEQUENCE_TIME;
    const name = isSecond ? `${prefix} ${event.key}` : event.key;
    const action = found(name);
    prefix = '';
    if (action) {
      event.preventDefault();
      action(event);
    } else if (!isSecond && layers.some((layer) => Object.keys(layer.current).some((key) => key.startsWith(`${name} `)))) {
      prefix = name;
      prefixTime = Date.now();
    }
  });
}

function found(name) {
  for (const layer of [...layers].reverse()) {
    if (layer.current[name]) {
      return layer.current[name];
    }
  }
  return null;
}
