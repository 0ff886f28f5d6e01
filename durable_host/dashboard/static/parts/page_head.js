// The head of a view: its title, which is also the title of the document, and its actions.
import { html, useEffect } from '../core/html.js';

export function PageHead({ title, subtitle, children }) {
  useEffect(() => { document.title = `${title} · Durable dashboard`; }, [title]);
  return html`<header class="page-head">
    <div class="page-title"><h1>${title}</h1>${subtitle ? html`<p class="muted">${subtitle}</p>` : ''}</div>
    <div class="page-actions">${children}</div>
  </header>`;
}
