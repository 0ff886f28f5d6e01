// The page: navigation, the view for the address, and what every view shares.
import { startChanges } from './core/changes.js';
import { html, render, useEffect, useRef, useState } from './core/html.js';
import { listenForKeys, useKeys } from './core/keys.js';
import { collectRates } from './core/rates.js';
import { followLinks, link, navigate, useRoute } from './core/router.js';
import { keepSession, useSession } from './core/session.js';
import { useTheme } from './core/theme.js';
import { Connection } from './parts/connection.js';
import { Icon } from './parts/icons.js';
import { Empty, Failure, Loading } from './parts/states.js';
import { Toasts } from './parts/toasts.js';
import { Help } from './views/help.js';
import { Instances } from './views/instances.js';

const VIEWS = [
  { id: 'instances', label: 'Instances', key: 'g i' },
  { id: 'entities', label: 'Entities', key: 'g e' },
  { id: 'queues', label: 'Queues', key: 'g q' },
  { id: 'functions', label: 'Functions', key: 'g f' },
  { id: 'hub', label: 'Hub', key: 'g h' },
];

/** The views that are loaded when they are first shown. */
const LAZY = {
  instance: () => import('./views/instance.js'),
  compare: () => import('./views/compare.js'),
  entities: () => import('./views/entities.js'),
  queues: () => import('./views/queues.js'),
  functions: () => import('./views/functions.js'),
  hub: () => import('./views/hub.js'),
};

function App() {
  const route = useRoute();
  const [isHelpOpen, setHelpOpen] = useState(false);
  const [theme, toggleTheme] = useTheme();
  const main = useRef(null);
  const [name = 'instances', ...rest] = route.parts;

  useKeys({
    '?': () => setHelpOpen(true),
    t: toggleTheme,
    ...Object.fromEntries(VIEWS.map(({ id, key }) => [key, () => navigate(link([id]))])),
  });
  useEffect(() => {
    if (!document.activeElement || document.activeElement === document.body) {
      main.current?.focus({ preventScroll: true });
    }
  }, [name, rest.join('/')]);

  return html`<div class="app">
    <a class="skip" href="#main">Skip to the content</a>
    <${Navigation} current=${name} theme=${theme} onTheme=${toggleTheme} onHelp=${() => setHelpOpen(true)} />
    <main id="main" ref=${main} tabindex="-1" class="main"><${View} name=${name} rest=${rest} query=${route.query} /></main>
    <${Toasts} />
    ${isHelpOpen ? html`<${Help} onClose=${() => setHelpOpen(false)} />` : ''}
  </div>`;
}

function View({ name, rest, query }) {
  if (name === 'instances' && rest.length) {
    return html`<${Lazy} key=${`instance ${rest[0]}`} name="instance" id=${rest[0]} tab=${rest[1]} query=${query} />`;
  }
  if (name === 'instances') {
    return html`<${Instances} query=${query} />`;
  }
  if (Object.hasOwn(LAZY, name) && name !== 'instance') {
    return html`<${Lazy} key=${name} name=${name} path=${rest} query=${query} />`;
  }
  return html`<${Empty} title="There is no such page"><a href=${link(['instances'])}>Go to the instances</a><//>`;
}

function Lazy({ name, ...props }) {
  const [state, setState] = useState({});
  const load = () => LAZY[name]().then(
    (module) => setState({ View: module.default }),
    () => setState({ error: new Error('A part of the page could not be loaded. The host may have stopped.') }),
  );
  useEffect(() => { load(); }, []);
  if (state.error) {
    return html`<${Failure} error=${state.error} onRetry=${load} />`;
  }
  return state.View ? html`<${state.View} ...${props} />` : html`<${Loading} />`;
}

function Navigation({ current, theme, onTheme, onHelp }) {
  const session = useSession();
  const { hub } = session;
  return html`<nav class="side" aria-label="Views">
    <a class="brand" href=${link(['instances'])} title="Durable dashboard">
      <img src=${new URL('icon.svg', import.meta.url).pathname} width="22" height="22" alt="" /><span>Durable</span></a>
    <ul class="side-list">
      ${VIEWS.map(({ id, label, key }) => html`<li key=${id}>
        <a href=${link([id])} aria-current=${id === current || (current === 'compare' && id === 'instances') ? 'page' : undefined}
          title="${label} (${key})"><${Icon} name=${id} /><span>${label}</span></a></li>`)}
    </ul>
    <div class="side-foot">
      <${Connection} />
      ${hub ? html`<dl class="side-hub" title="${hub.name} in ${hub.storage === 'sqlite' ? 'SQLite' : `Azure Storage, ${hub.account}`}">
        <dt>Task hub</dt><dd class="line">${hub.name}</dd>
        <dd class="line muted">${hub.storage === 'sqlite' ? 'SQLite' : (hub.isDevelopment ? 'Azurite' : hub.account)}${session.isReadOnly ? ' · read-only' : ''}</dd>
      </dl>` : ''}
      <div class="side-tools">
        <button type="button" class="icon-button" onClick=${onTheme} aria-label=${theme === 'dark' ? 'Use the light theme' : 'Use the dark theme'}
          title="Theme (t)"><${Icon} name=${theme === 'dark' ? 'sun' : 'moon'} /></button>
        <button type="button" class="icon-button" onClick=${onHelp} aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)">
          <${Icon} name="help" /></button>
      </div>
    </div>
  </nav>`;
}

followLinks();
listenForKeys();
collectRates();
startChanges();
keepSession();
render(html`<${App} />`, document.getElementById('app'));
