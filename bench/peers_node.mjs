// Node's server for bench/peers.py: one file over h2c and TLS, and /upload, which drops what is posted.
//
//     node peers_node.mjs FILE CERTIFICATE KEY       prints "listening h2c 127.0.0.1:PORT" and "listening h2 ..."
import { readFileSync, statSync } from 'node:fs';
import http2 from 'node:http2';

const [file, certificate, key] = process.argv.slice(2);
const body = readFileSync(file);
const modified = statSync(file).mtime;
const headers = {
  ':status': 200,
  'content-type': 'text/html',
  'content-length': body.length,
  'last-modified': modified.toUTCString(),
  etag: `"${Math.floor(modified / 1000).toString(16)}-${body.length.toString(16)}"`,
};

function onStream(stream, request) {
  stream.on('error', () => {});
  if (request[':path'] === '/upload') {
    let octets = 0; // handed to the application, which has no use for it
    stream.on('data', (chunk) => { octets += chunk.length; });
    stream.on('end', () => {
      stream.respond({ ':status': 200 });
      stream.end(`${octets}\n`);
    });
    return;
  }
  stream.respond(headers); // Node adds date itself
  stream.end(body);
}

const settings = { maxConcurrentStreams: 256 };
const servers = {
  h2c: http2.createServer({ settings }),
  h2: http2.createSecureServer({ settings, cert: readFileSync(certificate), key: readFileSync(key) }),
};
for (const [kind, server] of Object.entries(servers)) {
  server.on('stream', onStream);
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1', 4096, () => console.log(`listening ${kind} 127.0.0.1:${server.address().port}`));
}
