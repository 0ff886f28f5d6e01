// One instance: its head, what it waits for now, and tabs for its timeline, messages, history, events and logs.
import { get, path } from '../core/api.js';
import { narrowTo } from '../core/changes.js';
import { useNow } from '../core/clock.js';
import { duration } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { useKeys } from '../core/keys.js';
import { useResource } from '../core/resource.js';
import { instanceLink, link, navigate } from '../core/router.js';
import { PageHead } from '../parts/page_head.js';
import { Empty, Shown } from '../parts/states.js';
import { FINAL, Status } from '../parts/status.js';
import { TabPanel, Tabs } from '../parts/tabs.js';
import { Copy, Time } from '../parts/values.js';
import { HistoryTab } from './history.js';
import { InstanceActions } from './instance_actions.js';
import { LedgerTab } from './ledger.js';
import { LogsTab } from './logs.js';
import { Overview } from './overview.js';
import { SequenceTab } from './sequence.js';
import { TimelineTab } from './timeline.js';

const TABS = [
  { id: 'overview', label: 'Overview', View: Overview },
  { id: 'timeline', label: 'Timeline', View: TimelineTab },
  { id: 'sequence', label: 'Sequence', View: SequenceTab },
  { id: 'history', label: 'History', View: HistoryTab },
  { id: 'events', label: 'Events', View: LedgerTab },
  { id: 'logs', label: 'Logs', View: LogsTab },
];

/** Whether a change is about this instance. */
export const concerns = (id) => (data) => !data || data.isAll || data.ids.includes(id);

export default function Instance({ id, tab = 'overview', query }) {
  const resource = useResource(path`instances/${id}`, { on: ['instances'], concerns: concerns(id) });
  const [full, setFull] = useState(null);
  useEffect(() => {
    narrowTo(id);
    return () => narrowTo(null);
  }, [id]);
  const open = (name) => navigate(link(name === 'overview' ? ['instances', id] : ['instances', id, name]), { replace: true });
  useKeys({
    u: () => navigate(link(['instances'])),
    ...Object.fromEntries(TABS.map((item, n) => [String(n + 1), () => open(item.id)])),
  });
  useEffect(() => setFull(null), [resource.data]);
  const loadFull = async () => setFull(await get(`${path`instances/${id}`}?full=true`));
  const current = TABS.find((item) => item.id === tab) ?? TABS[0];
  if (resource.error?.status === 404 && resource.data === null) {
    return html`<${PageHead} title=${id} /><${Empty} icon="instances" title="There is no such instance">
      <p>It may have been purged, or the ID is that of another task hub. <a href=${link(['instances'])}>Go to the list</a></p><//>`;
  }
  return html`<${Shown} resource=${resource} rows=${8}>${(data) => {
    const instance = full ?? data;
    return html`
      <${Head} instance=${instance} />
      ${resource.error?.status === 404 ? html`<p class="notice notice-warn">This instance has been purged. The page shows what it was.</p>` : ''}
      <${Tabs} label="Parts of the instance" tabs=${TABS.map(({ id: tabId, label }) => ({
        id: tabId, label, count: tabId === 'history' ? data.historyCount : undefined,
      }))} current=${current.id} onSelect=${open} />
      <${TabPanel} id=${current.id}>
        <${current.View} key=${current.id} instance=${instance} query=${query} onFull=${loadFull} />
      <//>`;
  }}<//>`;
}

function Head({ instance }) {
  const { id, name, status, created, completed, durationMs, version, parent, generation } = instance;
  const isOver = FINAL.has(status);
  const now = useNow(isOver ? 0 : 1000);
  return html`
    <${PageHead} title=${name} subtitle=""><${InstanceActions} instance=${instance} /><//>
    <div class="facts">
      <${Status} status=${status} />
      <span class="fact fact-id"><span class="line code" title=${id}>${id}</span><${Copy} text=${id} label="Copy the instance ID" /></span>
      <span class="fact"><span class="muted">Started</span> <${Time} at=${created} /></span>
      <span class="fact"><span class="muted">${isOver ? 'Took' : 'Running for'}</span> <span class="num">${duration(completed ? durationMs : now - Date.parse(created))}</span></span>
      ${version ? html`<span class="fact"><span class="muted">Version</span> ${version}</span>` : ''}
      ${generation > 1 ? html`<span class="fact"><span class="muted">Generation</span> <span class="num">${generation}</span></span>` : ''}
      ${parent ? html`<span class="fact fact-parent"><span class="muted">Parent</span> <a class="line" title="${parent.name} ${parent.id}" href=${instanceLink(parent.id)}>${parent.name || parent.id}</a></span>` : ''}
    </div>`;
}

