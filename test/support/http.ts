import { type Agent, type IncomingHttpHeaders, type IncomingMessage, request as nodeRequest } from 'node:http';
import type { HostPort } from '../../src/lib/hostPort.ts';

export type Call = {
  /** The `Host` header: the name of the service that is called. */
  readonly host?: string;
  readonly method?: string;
  /** Sent as it stands. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
  /** Keeps connections; default: a new one for this call. */
  readonly agent?: Agent;
  readonly timeout?: number;
};

export type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string };

const collect = async (message: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
};

/** One HTTP/1.1 call. Rejects if no whole answer comes. */
export const call = ({ host, port }: HostPort, options: Call = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { method = 'GET', path = '/', headers = {}, body, agent, timeout = 10_000 } = options;
    const request = nodeRequest({
      host,
      port,
      method,
      path,
      agent: agent ?? false,
      headers: {
        ...(options.host === undefined ? {} : { host: options.host }),
        ...Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, typeof v === 'string' ? v : [...v]])),
      },
    });
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeout} ms`)), timeout);
    request.on('close', () => clearTimeout(timer));
    request.on('error', reject);
    request.on('response', (message) => {
      collect(message).then(
        (text) => resolve({ status: message.statusCode ?? 0, headers: message.headers, body: text }),
        reject,
      );
    });
    // Node takes the answer to a CONNECT for a tunnel.
    request.on('connect', (message, socket) => {
      socket.destroy();
      resolve({ status: message.statusCode ?? 0, headers: message.headers, body: '' });
    });
    request.end(body);
  });
