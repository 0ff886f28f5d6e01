// A call of an HTTP function whose request and response are streamed (`app.setup({ enableHttpStream: true })`).
//
// The library then starts an HTTP server, which must receive each request in addition to the invocation. The worker
// creates that request from the frames of the host, which `durable_host/worker/http_stream.py` describes.
'use strict';

const http = require('http');

const { FrameBody } = require('./frames');
const { Invocation, requestOf } = require('./invocation');

const WINDOW = 256 * 1024;
const PIECE = 64 * 1024;
const SILENCE_MILLISECONDS = 100;
const INVOCATION_ID = 'x-ms-invocation-id';
const CLOSED = 'The client closed the connection.';
const OF_CONNECTION = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Invocations whose client has disconnected. The library would continue to write their responses, even forever. */
const gone = new Set();

/** Invocations whose response the library has begun: its server is in this process. */
const answered = new Set();

function watchResponses() {
  const setHeader = http.ServerResponse.prototype.setHeader;
  http.ServerResponse.prototype.setHeader = function (name, value) {
    if (name === INVOCATION_ID) {
      answered.add(value);
    }
    return setHeader.call(this, name, value);
  };
  const write = http.ServerResponse.prototype.write;
  http.ServerResponse.prototype.write = function (...given) {
    if (gone.size > 0 && gone.has(this.req?.headers[INVOCATION_ID])) {
      throw clientGone();
    }
    return write.apply(this, given);
  };
}

watchResponses();

class StreamedCall {
  /** `uri` is the address of the library's server. */
  constructor(app, channel, header, blob, uri) {
    this._channel = channel;
    this._id = header.i;
    this._head = header.http;
    this._invocation = new Invocation(app, withHead(requestOf(header, blob), header.http));
    this._port = new URL(uri).port;
    this._room = WINDOW;
    this._roomed = () => {};
    this._taken = 0;
    this._isGone = false;
    this._upstream = undefined;
  }

  /** The function's result as converted by the library, after the whole response was passed to the host. */
  async run() {
    const passed = this._request();
    passed.catch(() => {}); // The failed call reports the reason; the broken response is only a consequence.
    try {
      const response = await this._invocation.run();
      if (!answered.has(this._id) && !(await this._begins())) {
        this._upstream.destroy();
        this._send({ k: 'head', status: 204, headers: [], last: true });
      } else {
        await passed;
      }
      return response;
    } catch (error) {
      this._upstream.destroy();
      throw this._isGone && error?.code === 'ECONNRESET' ? clientGone() : error;
    } finally {
      gone.delete(this._id);
      answered.delete(this._id);
    }
  }

  /** Handle a frame of the host. */
  deliver(header, blob) {
    if (header.k === 'room') {
      this._room += header.n;
      this._roomed();
    } else if (header.k === 'gone') {
      this._isGone = true;
      gone.add(this._id);
      this._upstream.destroy();
    } else {
      this._pass(Buffer.from(blob), header.last === true);
    }
  }

  /** Send the request to the library's server. Resolves when its response has been passed on. */
  _request() {
    const { method, path, query, headers, body } = this._head;
    this._upstream = http.request({
      host: '127.0.0.1',
      port: this._port,
      method,
      path: query ? `${path}?${query}` : path,
      headers: { ...forwarded(headers), [INVOCATION_ID]: this._id },
      agent: false,
      setHost: false,
    });
    const answered = new Promise((resolve, reject) => {
      this._upstream.on('response', (response) => this._respond(response).then(resolve, reject));
      this._upstream.on('error', reject);
    });
    if (!body) {
      this._upstream.end();
    }
    return answered;
  }

  _pass(data, isLast) {
    const taken = () => {
      this._taken += data.length;
      if (!isLast && this._taken >= WINDOW / 4) {
        this._send({ k: 'want', n: this._taken });
        this._taken = 0;
      }
    };
    if (this._upstream.destroyed) {
      taken();
    } else if (data.length > 0) {
      this._upstream.write(data, taken);
    }
    if (isLast) {
      this._upstream.end();
    }
  }

  async _respond(response) {
    const headers = [];
    for (let at = 0; at < response.rawHeaders.length; at += 2) {
      if (
        !OF_CONNECTION.has(response.rawHeaders[at].toLowerCase()) &&
        response.rawHeaders[at].toLowerCase() !== 'date'
      ) {
        headers.push([response.rawHeaders[at], response.rawHeaders[at + 1]]);
      }
    }
    this._send({ k: 'head', status: response.statusCode, headers });
    for await (const data of response) {
      for (let start = 0; start < data.length;) {
        while (this._room <= 0) {
          await new Promise((resolve) => {
            this._roomed = resolve;
          });
        }
        const piece = data.subarray(start, start + Math.min(this._room, PIECE));
        start += piece.length;
        this._room -= piece.length;
        this._send({ k: 'body' }, piece);
      }
    }
    this._send({ k: 'body', last: true });
  }

  /** Whether a response starts although the function has already ended. */
  _begins() {
    return new Promise((resolve) => {
      setTimeout(() => resolve(answered.has(this._id)), SILENCE_MILLISECONDS);
    });
  }

  _send(header, data) {
    const body = data === undefined ? undefined : new FrameBody();
    body?.add(data);
    this._channel.send({ ...header, i: this._id }, body);
  }
}

/** The library reads headers and route parameters from the trigger metadata. */
function withHead(request, head) {
  const headers = Object.create(null);
  for (const [name, value] of head.headers) {
    const key = name.toLowerCase();
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`;
  }
  const params = Object.entries(head.params).map(([name, value]) => [name, { string: value }]);
  request.triggerMetadata = { ...Object.fromEntries(params), Headers: { json: JSON.stringify(headers) } };
  return request;
}

/** The host recognizes the name of this error. */
function clientGone() {
  return Object.assign(new Error(CLOSED), { name: 'ClientDisconnect', code: 'ECONNRESET' });
}

/** The headers for the library's server, without those of the connection and with those that it needs. */
function forwarded(headers) {
  const result = Object.create(null);
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    if (!OF_CONNECTION.has(key)) {
      result[key] = result[key] === undefined ? value : [].concat(result[key], value);
    }
  }
  return { 'x-forwarded-host': result.host ?? 'localhost', 'x-forwarded-proto': 'http', ...result };
}

module.exports = { StreamedCall };
