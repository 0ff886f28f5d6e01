// Times, durations, sizes and JSON as people read them.

const pad = (number, width = 2) => String(number).padStart(width, '0');

/** `2026-05-01 09:30:12` in the time zone of the reader; with milliseconds if `isExact`. */
export function time(text, { isExact = false } = {}) {
  if (!text) {
    return '–';
  }
  const date = new Date(text);
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${clock(date)}${isExact ? `.${pad(date.getMilliseconds(), 3)}` : ''}`;
}

/** The time of today, or the date and the time. */
export function shortTime(text, now = new Date()) {
  if (!text) {
    return '–';
  }
  const date = new Date(text);
  return date.toDateString() === now.toDateString() ? clock(date) : time(text).slice(0, 16);
}

function clock(date) {
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `320 ms`, `4.2 s`, `3 m 05 s`, `2 h 10 m`, `3 d 4 h`. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined || Number.isNaN(milliseconds)) {
    return '–';
  }
  const ms = Math.max(0, milliseconds);
  if (ms < 1000) {
    return `${ms < 10 && ms > 0 ? ms.toFixed(1).replace(/\.0$/, '') : Math.round(ms)} ms`;
  }
  if (ms < 60_000) {
    return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  }
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes < 60) {
    return `${minutes} m ${pad(seconds % 60)} s`;
  }
  return hours < 24 ? `${hours} h ${pad(minutes % 60)} m` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The time left as a clock: `02:59:41`, with days in front. Negative times are `0`. */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const days = Math.floor(seconds / 86_400);
  const text = `${pad(Math.floor(seconds / 3600) % 24)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  return days ? `${days} d ${text}` : text;
}

export function ago(text, now = Date.now()) {
  return text ? `${duration(now - Date.parse(text)).replace(/ ms$/, ' ms')} ago` : '–';
}

export function bytes(number) {
  if (number === null || number === undefined) {
    return '–';
  }
  const units = ['B', 'KB', 'MB', 'GB'];
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, number)) / 10));
  return `${(number / 1024 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

export const count = (number) => (number === null || number === undefined ? '–' : number.toLocaleString('en-US'));

export const plural = (number, word, many = `${word}s`) => `${count(number)} ${number === 1 ? word : many}`;

/** JSON text with indentation. Numbers are kept as they are written, since JavaScript would round long ones. */
export function prettyJson(text) {
  let isString = false;
  let depth = 0;
  let out = '';
  if (!isJson(text)) {
    return text;
  }
  const compact = text.trim();
  for (let at = 0; at < compact.length; at += 1) {
    const char = compact[at];
    if (isString) {
      out += char;
      if (char === '\\') {
        at += 1;
        out += compact[at];
      } else if (char === '"') {
        isString = false;
      }
    } else if (char === '"') {
      isString = true;
      out += char;
    } else if (char === '{' || char === '[') {
      const close = compact.slice(at + 1).match(/^\s*[}\]]/);
      if (close) {
        out += char + close[0].trim();
        at += close[0].length;
      } else {
        depth += 1;
        out += `${char}\n${'  '.repeat(depth)}`;
      }
    } else if (char === '}' || char === ']') {
      depth -= 1;
      out += `\n${'  '.repeat(depth)}${char}`;
    } else if (char === ',') {
      out += `,\n${'  '.repeat(depth)}`;
    } else if (char === ':') {
      out += ': ';
    } else if (!/\s/.test(char)) {
      out += char;
    }
  }
  return out;
}

export function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
