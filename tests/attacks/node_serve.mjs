// Files of a directory by Node's http2, in cleartext: node_serve.mjs ROOT PORT
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';

const [root, port] = process.argv.slice(2);
const server = http2.createServer();

server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  stream.resume();
  const name = path.normalize(decodeURI(headers[':path'].split(/[?#]/)[0]));
  fs.readFile(path.join(root, name), (error, body) => {
    if (stream.destroyed) return;
    stream.respond({ ':status': error ? 404 : 200 });
    stream.end(error || headers[':method'] === 'HEAD' ? '' : body);
  });
});
server.on('sessionError', () => {});
process.on('uncaughtException', () => {});
server.listen(Number(port), '127.0.0.1');
