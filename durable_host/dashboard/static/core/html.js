// What every view imports: markup as tagged templates, and the hooks.
// Preact makes text nodes and attributes of all values, so nothing from user code can become markup.
import { Fragment, h, render } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, useId } from '../vendor/hooks.js';
export { Fragment, render };
export const html = htm.bind(h);
