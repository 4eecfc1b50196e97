// Node's http2 server for halo's client: node node_server.mjs KEY-FILE CERT-FILE
// It has the routes of halo's own test server that a client can tell apart, and prints
// "listening h2c PORT", "listening tls PORT" and "ready". Without KEY-FILE there is no TLS.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { patternStream } from './pattern.mjs';

const [keyFile, certFile] = process.argv.slice(2);
let open = 0;
let peak = 0;

const routes = {
  '/': (stream) => text(stream, 'halo test server\n'),
  '/bytes': (stream, headers, length) => {
    stream.respond({ ':status': 200, 'content-length': length });
    if (headers[':method'] === 'HEAD')
      stream.end();
    else
      patternStream(length).pipe(stream);
  },
  '/echo': (stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  },
  '/hash': async (stream) => {
    const hash = createHash('sha256');
    let length = 0;
    stream.on('data', (piece) => { hash.update(piece); length += piece.length; });
    await once(stream, 'end');
    text(stream, `${hash.digest('hex')} ${length}\n`);
  },
  '/trailers': (stream) => {
    const echoed = {};
    let length = 0;
    stream.on('data', (piece) => { length += piece.length; });
    stream.on('trailers', (fields) => {
      for (const name of Object.keys(fields))
        echoed[`echo-${name}`] = fields[name];
    });
    stream.on('end', () => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'body-octets': length, ...echoed }));
      stream.end('hello');
    });
  },
  '/info': (stream) => {
    stream.additionalHeaders({ ':status': 103, 'link': '</style.css>; rel=preload; as=style' });
    stream.additionalHeaders({ ':status': 103, 'link': '</code.js>; rel=preload; as=script' });
    text(stream, 'hinted\n');
  },
  '/slow': (stream, headers, delay) => setTimeout(() => text(stream, 'slow\n'), delay),
  '/reset': (stream, headers, code) => stream.close(code),
  '/headers': (stream, headers) =>
    text(stream, Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`).join('')),
  '/fields': (stream, headers, count) => {
    const fields = { ':status': 200 };
    for (let i = 0; i < count; i++)
      fields[`x-big-${i}`] = String.fromCharCode(97 + i % 26).repeat(1000);
    fields['set-cookie'] = Array.from({ length: 100 }, (_, i) => `name${i}=value${i}`);
    stream.respond(fields);
    stream.end('fields\n');
  },
  '/close': (stream) => {
    text(stream, 'closing\n');
    stream.session.close();
  },
  // The end of the session while a body is on its way.
  '/close-early': (stream, headers, length) => {
    routes['/bytes'](stream, headers, length);
    stream.session.close();
  },
  '/peak': (stream) => text(stream, `peak ${peak}\n`),
};

function text(stream, body) {
  if (stream.destroyed)
    return;
  stream.respond({ ':status': 200, 'content-length': Buffer.byteLength(body) });
  stream.end(stream.headRequest ? undefined : body);
}

function onStream(stream, headers) {
  open++;
  peak = Math.max(peak, open);
  stream.on('close', () => { open--; });
  stream.on('error', () => {}); // clients that vanish are what some cases are about
  if (headers.expect === '100-continue')
    stream.additionalHeaders({ ':status': 100 });
  const [, name, number] = /^(\/[a-z-]*)(?:\/(\d+))?/.exec(headers[':path']) ?? [];
  const route = routes[name];
  if (route === undefined) {
    stream.respond({ ':status': 404 });
    stream.end('not found\n');
  } else {
    route(stream, headers, Number(number ?? 0));
  }
}

async function listen(server, label) {
  server.on('stream', onStream);
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log(`listening ${label} ${server.address().port}`);
}

const settings = { maxConcurrentStreams: 1100 };
// More resets and fields than Node takes by itself: the client's cancels are the test.
const limits = { settings, streamResetBurst: 100000, streamResetRate: 100000,
                 maxHeaderListPairs: 1000, maxSessionMemory: 1000 };
await listen(http2.createServer(limits), 'h2c');
if (keyFile) {
  const secure = { ...limits, key: readFileSync(keyFile), cert: readFileSync(certFile) };
  await listen(http2.createSecureServer(secure), 'tls');
}
console.log('ready');
