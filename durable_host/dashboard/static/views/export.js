// Exports an instance as a test: its history, and a pytest file that replays it.
import { path } from '../core/api.js';
import { bytes } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { Dialog } from '../parts/dialog.js';
import { Icon } from '../parts/icons.js';
import { Shown } from '../parts/states.js';
import { Payload } from '../parts/values.js';

export function ExportDialog({ instance, onClose }) {
  const resource = useResource(path`instances/${instance.id}/export`);
  const [shown, setShown] = useState(null);
  return html`<${Dialog} title="Export as a test" onClose=${onClose} isWide>
    <p>The test replays this history on the code of your app with <code>durable_host.testing</code>. Save the files in the folder of your tests.</p>
    <${Shown} resource=${resource} rows=${3}>${({ files }) => html`
      <ul class="files">${Object.entries(files).map(([name, text]) => html`<li key=${name}>
        <${Icon} name="file" /><button type="button" class="link line code" title=${name} onClick=${() => setShown(shown === name ? null : name)}>${name}</button>
        <span class="muted num">${bytes(new Blob([text]).size)}</span>
        <button type="button" class="button" aria-label="Download ${name}" onClick=${() => download(name, text)}><${Icon} name="download" size=${14} />Download</button></li>`)}</ul>
      ${shown ? html`<${Payload} label=${shown} text=${files[shown]} />` : ''}
      <div class="form-actions"><button type="button" class="button button-primary" onClick=${() => Object.entries(files).forEach(([name, text]) => download(name, text))}>Download all</button></div>`}
    <//>
  <//>`;
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' }));
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name.split('/').pop();
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
