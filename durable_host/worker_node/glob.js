// Expands `main` in package.json: finds the files that match a pattern, relative to the app's folder.
//
// Grammar: `*`, `?`, `[ab]`, `**`, `{a,b}`, `!(a)`, `@(a|b)`, `?(a)`, `*(a)`, `+(a)`; a folder means all files in it.
'use strict';

const fs = require('fs');
const path = require('path');

const MAGIC = /[*?[\]{}]|[!@+]\(/;

function hasMagic(pattern) {
  return MAGIC.test(pattern.replace(/\\./g, ''));
}

/** Absolute paths of the files that match `pattern`: those in higher folders first, then by name. */
function expand(pattern, root) {
  const found = new Set();
  for (const one of braces(pattern)) {
    for (const file of expandOne(one, root)) {
      found.add(file);
    }
  }
  if (found.size === 0 && path.sep === '\\' && pattern.includes('\\')) {
    return expand(pattern.replace(/\\/g, '/'), root);
  }
  return [...found].sort(byDepthThenName);
}

function byDepthThenName(one, other) {
  const depth = one.split(path.sep).length - other.split(path.sep).length;
  return depth !== 0 ? depth : one < other ? -1 : one > other ? 1 : 0;
}

function expandOne(pattern, root) {
  if (pattern === '' || (pattern.startsWith('!') && !pattern.startsWith('!('))) {
    return [];
  }
  const isAbsolute = path.isAbsolute(pattern);
  const start = isAbsolute ? path.parse(pattern).root : root;
  const segments = (isAbsolute ? pattern.slice(start.length) : pattern)
    .split('/')
    .filter((s) => s !== '' && s !== '.');
  let plain = 0;
  let folder = start;
  while (plain < segments.length && !hasMagic(segments[plain])) {
    folder = path.join(folder, unescaped(segments[plain]));
    plain += 1;
  }
  if (plain === segments.length) {
    const kind = kindOf(folder);
    return kind === 'file' ? [folder] : kind === 'folder' ? walk(folder, ['**']) : [];
  }
  return walk(folder, segments.slice(plain));
}

/** Files below `folder` whose path matches `segments`. */
function walk(folder, segments) {
  const [first, ...rest] = segments;
  const files = [];
  if (first === '**') {
    if (rest.length > 0) {
      files.push(...walk(folder, rest));
    }
    for (const entry of entries(folder)) {
      if (entry.name.startsWith('.')) {
        continue;
      }
      if (entry.isFolder) {
        files.push(...walk(path.join(folder, entry.name), segments));
      } else if (rest.length === 0) {
        files.push(path.join(folder, entry.name));
      }
    }
    return files;
  }
  if (first === '..') {
    return rest.length > 0 ? walk(path.dirname(folder), rest) : [];
  }
  const matches = segmentMatcher(first);
  for (const entry of entries(folder)) {
    if (!matches(entry.name)) {
      continue;
    }
    const found = path.join(folder, entry.name);
    if (entry.isFolder && rest.length > 0) {
      files.push(...walk(found, rest));
    } else if (!entry.isFolder && rest.length === 0) {
      files.push(found);
    }
  }
  return files;
}

function entries(folder) {
  let found;
  try {
    found = fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return found
    .map((entry) => {
      const kind = entry.isSymbolicLink()
        ? kindOf(path.join(folder, entry.name))
        : entry.isDirectory()
          ? 'folder'
          : entry.isFile()
            ? 'file'
            : undefined;
      return { name: entry.name, isFolder: kind === 'folder', kind };
    })
    .filter((entry) => entry.kind !== undefined);
}

function kindOf(file) {
  const status = fs.statSync(file, { throwIfNoEntry: false });
  return status === undefined ? undefined : status.isDirectory() ? 'folder' : status.isFile() ? 'file' : undefined;
}

/** Expand the braces of a pattern into all alternatives. */
function braces(pattern) {
  const start = indexOutsideEscape(pattern, '{', 0);
  if (start < 0) {
    return [pattern];
  }
  let depth = 0;
  let begin = start + 1;
  const options = [];
  for (let at = start; at < pattern.length; at += 1) {
    const letter = pattern[at];
    if (letter === '\\') {
      at += 1;
    } else if (letter === '{') {
      depth += 1;
    } else if (letter === ',' && depth === 1) {
      options.push(pattern.slice(begin, at));
      begin = at + 1;
    } else if (letter === '}') {
      depth -= 1;
      if (depth === 0) {
        options.push(pattern.slice(begin, at));
        const head = pattern.slice(0, start);
        const tails = braces(pattern.slice(at + 1));
        return options
          .flatMap((option) => braces(option))
          .flatMap((option) => tails.map((tail) => head + option + tail));
      }
    }
  }
  return [pattern];
}

function indexOutsideEscape(text, wanted, from) {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') {
      at += 1;
    } else if (text[at] === wanted) {
      return at;
    }
  }
  return -1;
}

function unescaped(segment) {
  return segment.replace(/\\(.)/g, '$1');
}

/** Compile a segment into a function that matches names. Wildcards at its start skip names that start with a dot. */
function segmentMatcher(segment) {
  const { source } = translate(segment, 0, false);
  const expression = new RegExp(`^(?:${source})$`);
  const takesDots = segment.startsWith('.') || segment.startsWith('\\.') || /^[!@?*+]\(/.test(segment);
  return (name) => (takesDots || !name.startsWith('.')) && expression.test(name);
}

/** The regular expression for `text` from `at`; inside an extended group, up to its closing parenthesis. */
function translate(text, at, inGroup) {
  let source = '';
  while (at < text.length) {
    const letter = text[at];
    if (inGroup && letter === ')') {
      return { source, at };
    }
    if ('!@?*+'.includes(letter) && text[at + 1] === '(') {
      const group = translate(text, at + 2, true);
      at = group.at + 1;
      if (letter === '!') {
        const rest = translate(text, at, inGroup);
        const end = inGroup ? '' : '$';
        source += `(?!(?:${group.source})${rest.source}${end})[^/]*?`;
      } else {
        source += `(?:${group.source})${letter === '@' ? '' : letter}`;
      }
      continue;
    }
    if (inGroup && letter === '|') {
      source += '|';
    } else if (letter === '\\' && at + 1 < text.length) {
      at += 1;
      source += escaped(text[at]);
    } else if (letter === '*') {
      source += '[^/]*';
    } else if (letter === '?') {
      source += '[^/]';
    } else if (letter === '[') {
      const end = text.indexOf(']', at + 2);
      if (end < 0) {
        source += '\\[';
      } else {
        const inside = text
          .slice(at + 1, end)
          .replace(/^!/, '^')
          .replace(/\\/g, '\\\\');
        source += `[${inside}]`;
        at = end;
      }
    } else {
      source += escaped(letter);
    }
    at += 1;
  }
  return { source, at };
}

function escaped(letter) {
  return letter.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

module.exports = { expand, hasMagic };
