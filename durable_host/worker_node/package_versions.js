// Versions of the packages that an app has loaded and that the host has to know.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');

const WATCHED = ['durable-functions'];

/** Begin to watch which packages are loaded; returns what gives their versions. */
function packageVersions() {
  const found = {};
  const load = Module._load;
  Module._load = function (name, parent, ...rest) {
    if (WATCHED.includes(name) && found[name] === undefined) {
      found[name] = versionOf(name, parent);
    }
    return load.call(this, name, parent, ...rest);
  };
  return (model) => {
    const versions = {};
    if (model !== undefined) {
      versions[model.name] = model.version;
    }
    for (const name of WATCHED) {
      const version = found[name] ?? loadedVersion(name);
      if (version !== undefined) {
        versions[name] = version;
      }
    }
    return versions;
  };
}

function versionOf(name, parent) {
  try {
    return versionAbove(Module._resolveFilename(name, parent, false));
  } catch {
    return undefined;
  }
}

/** Of a package that was loaded with `import`: its file is among the loaded modules. */
function loadedVersion(name) {
  const part = `${path.sep}node_modules${path.sep}${name}${path.sep}`;
  const file = Object.keys(require.cache).find((one) => one.includes(part));
  return file === undefined ? undefined : versionAbove(file);
}

function versionAbove(file) {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    try {
      const content = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
      if (content.version !== undefined) {
        return String(content.version);
      }
    } catch {
      // Continue with the parent folder.
    }
  }
  return undefined;
}

/** Version of a package that an app in `root` would load; undefined when it is not installed. */
function installedVersion(name, root) {
  for (let folder = root; ; folder = path.dirname(folder)) {
    try {
      const file = path.join(folder, 'node_modules', name, 'package.json');
      return String(JSON.parse(fs.readFileSync(file, 'utf8')).version);
    } catch {
      if (folder === path.dirname(folder)) {
        return undefined;
      }
    }
  }
}

module.exports = { installedVersion, packageVersions };
