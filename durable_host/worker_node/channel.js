// The worker's end of the pipes to the host: whole frames on descriptors 3 (in) and 4 (out).
'use strict';

const fs = require('fs');
const net = require('net');

const { encodeFrame, FrameParser } = require('./frames');

const REQUESTS = 3;
const ANSWERS = 4;

class PipeChannel {
  constructor() {
    this._isOpen = true;
  }

  /** Write a frame synchronously, so that the last log line before a crash reaches the host. */
  send(header, body) {
    const data = encodeFrame(header, body);
    let written = 0;
    while (this._isOpen && written < data.length) {
      try {
        written += fs.writeSync(ANSWERS, data, written);
      } catch (error) {
        this._isOpen = error.code === 'EAGAIN';
      }
    }
  }

  /** Read frames. Calls `received({header, blob})` for each one, and `ended()` when the host closes the pipe. */
  listen(received, ended) {
    const parser = new FrameParser();
    const socket = new net.Socket({ fd: REQUESTS, readable: true, writable: false });
    socket.on('data', (data) => parser.feed(data).forEach(received));
    socket.on('error', ended);
    socket.on('end', ended);
    return socket;
  }
}

module.exports = { PipeChannel };
