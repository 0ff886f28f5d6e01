// Modal dialogs on the browser's own <dialog>: it keeps the focus inside, closes on Escape and gives the focus back.
import { html, useEffect, useId, useRef, useState } from '../core/html.js';
import { Failure } from './states.js';
import { Icon } from './icons.js';

export function Dialog({ title, onClose, children, isWide = false }) {
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    const before = document.activeElement;
    shown.showModal();
    const first = ['input, textarea, select', '.form-actions button', 'button'].map((selector) => shown.querySelector(selector)).find(Boolean);
    first?.focus();
    return () => {
      shown.close();
      before?.focus?.();
    };
  }, []);
  const closeOnBackdrop = (event) => event.target === dialog.current && onClose();
  return html`<dialog ref=${dialog} class=${isWide ? 'dialog dialog-wide' : 'dialog'} aria-labelledby=${id}
      onCancel=${(event) => { event.preventDefault(); onClose(); }} onMouseDown=${closeOnBackdrop}>
    <div class="dialog-inside">
      <header class="dialog-head"><h2 id=${id}>${title}</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button>
      </header>
      ${children}
    </div>
  </dialog>`;
}

/**
 * A form that sends one action: shows that it runs, and the error if it fails. `onSend` returns a promise; after it, `onDone`
 * gets its result.
 */
export function ActionForm({ action, onSend, onDone, onCancel, isDangerous = false, isDisabled = false, children }) {
  const [state, setState] = useState({ isBusy: false, error: null });
  const submit = async (event) => {
    event.preventDefault();
    setState({ isBusy: true, error: null });
    try {
      const result = await onSend();
      setState({ isBusy: false, error: null });
      onDone?.(result);
    } catch (error) {
      setState({ isBusy: false, error });
    }
  };
  return html`<form class="form" onSubmit=${submit}>
    ${children}
    ${state.error ? html`<${Failure} error=${state.error} />` : ''}
    <div class="form-actions">
      ${onCancel ? html`<button type="button" class="button" onClick=${onCancel}>Cancel</button>` : ''}
      <button type="submit" class="button ${isDangerous ? 'button-danger' : 'button-primary'}"
        disabled=${state.isBusy || isDisabled}>
        ${state.isBusy ? 'Working…' : action}</button>
    </div>
  </form>`;
}

export function Confirm({ title, action, onSend, onDone, onClose, isDangerous = true, isDisabled = false, children }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <${ActionForm} action=${action} onSend=${onSend} onDone=${onDone} onCancel=${onClose} isDangerous=${isDangerous}
      isDisabled=${isDisabled}>${children}<//>
  <//>`;
}
