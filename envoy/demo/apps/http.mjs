// What the four apps share. They speak plain HTTP on loopback and know nothing of certificates.
import http from 'node:http';

const agent = new http.Agent({ keepAlive: true });

const readAll = async (stream) => {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  return text;
};

const parse = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return text.trim();
  }
};

/**
 * Calls another service by its name through the sidecar, which is the app's HTTP proxy.
 * Resolves to `{ status, body }`, also where the call fails: then the status is 502.
 */
export const call = async (method, url) => {
  const proxy = process.env.http_proxy;
  if (proxy === undefined) return { status: 502, body: 'http_proxy is not set: start this app with `signet sidecar`' };
  const { hostname, port } = new URL(proxy);
  try {
    return await new Promise((resolve, reject) => {
      // To a proxy the whole URL is the request target (RFC 9112 §3.2.2).
      const options = {
        agent,
        hostname,
        port,
        method,
        path: url,
        headers: { host: new URL(url).host },
        timeout: 10_000,
      };
      const request = http.request(options, (response) =>
        readAll(response).then((text) => resolve({ status: response.statusCode, body: parse(text) }), reject),
      );
      request.on('timeout', () => request.destroy(new Error('no answer for 10 s')));
      request.on('error', reject);
      request.end();
    });
  } catch (error) {
    return { status: 502, body: `${url}: ${error.message}` };
  }
};

/** The caller's SPIFFE ID as the sidecar proved it; callers cannot forge this header. `null` without one. */
const callerOf = (request) => /^URI=(spiffe:.+)$/.exec(request.headers['x-forwarded-client-cert'] ?? '')?.[1] ?? null;

/** Serves `routes` (`'GET /path': (request) => ({ status, ... })`) on loopback until SIGTERM. */
export const serve = (service, port, routes) => {
  const server = http.createServer(async (request, response) => {
    request.resume();
    const handler = routes[`${request.method} ${request.url.split('?', 1)[0]}`];
    const { status = 200, ...answer } =
      handler === undefined ? { status: 404, error: 'no such page' } : await handler();
    const body = `${JSON.stringify({ service, caller: callerOf(request), ...answer }, null, 2)}\n`;
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  server.keepAliveTimeout = 60_000;
  server.on('error', (error) => {
    console.error(`${service}: ${error.message}`);
    process.exitCode = 1;
  });
  server.listen(port, '127.0.0.1');
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0));
};
