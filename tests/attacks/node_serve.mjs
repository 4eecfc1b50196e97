// Files of a directory by Node's http2, in cleartext, and on a second port an echo of what is sent:
// node_serve.mjs ROOT PORT ECHO-PORT. With "http1" behind that: just an echo by HTTP/1.1 on PORT.
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import path from 'node:path';

const [root, port, echoPort, kind] = process.argv.slice(2);
const server = http2.createServer();

server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  stream.resume();
  const answer = (error, body) => {
    if (stream.destroyed) return;
    stream.respond({ ':status': error ? 404 : 200 });
    stream.end(error || headers[':method'] === 'HEAD' ? '' : body);
  };
  try {
    const name = path.normalize(decodeURI(headers[':path'].split(/[?#]/)[0]));
    fs.readFile(path.join(root, name), answer);
  } catch (error) { // no name of a file
    answer(error);
  }
});
server.on('sessionError', () => {});
process.on('uncaughtException', () => {});

function echo(request, response) {
  const pieces = [];
  request.on('error', () => {});
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    if (!response.destroyed) response.end(Buffer.concat(pieces));
  });
}
if (kind === 'http1') {
  http.createServer(echo).listen(Number(port), '127.0.0.1');
} else {
  // The files come last: they are what is waited for.
  http2.createServer(echo).on('sessionError', () => {}).listen(Number(echoPort), '127.0.0.1', () => {
    server.listen(Number(port), '127.0.0.1');
  });
}
