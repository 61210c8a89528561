// Stands in for a service in the tests of the launcher: listens where it is told to, is ready, and drains on SIGTERM.
import { createServer } from 'node:http';

const portOf = (name) => Number(process.env[name].split(':')[1]);
console.log(JSON.stringify(process.env));

const health = createServer((request, response) => {
  response.statusCode = request.url === '/readyz' ? 200 : 404;
  response.end('ready');
}).listen(portOf('GODWIT_HTTP_LISTEN'), '127.0.0.1');
const grpc = createServer().listen(portOf('GODWIT_GRPC_LISTEN'), '127.0.0.1');

process.on('SIGTERM', () => {
  console.log('draining');
  health.close();
  health.closeAllConnections();
  grpc.close();
});
