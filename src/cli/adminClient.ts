import { readFile } from 'node:fs/promises';
import type { ErrorAnswer } from '../admin/responses.ts';
import { isPlainLoopback } from '../lib/address.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { type Secret, secret } from '../lib/secret.ts';
import { type Input, type Io, usage } from './command.ts';

/** The admin API of a running control plane. */
export type AdminClient = {
  /** @throws AppError with the server's sentence; `usage` where it says that the request is wrong */
  readonly get: <T>(path: string) => Promise<T>;
  readonly post: <T>(path: string, body: unknown) => Promise<T>;
  readonly delete: (path: string) => Promise<void>;
  /** The admin token itself. */
  readonly token: Secret;
};

const DEFAULT_SERVER = 'http://127.0.0.1:18001';
const DEFAULT_TOKEN_FILE = './.signet/admin.token';
const PATIENCE = 30_000;

/** By `--server` and `--admin-token-file`, or their variables, or their defaults. `patience` is for each answer. */
export const adminClient = async (input: Input, io: Io, patience = PATIENCE): Promise<AdminClient> => {
  const server = serverUrl(input.text('server') ?? io.env.SIGNET_SERVER ?? DEFAULT_SERVER);
  const file = input.text('admin-token-file') ?? io.env.SIGNET_ADMIN_TOKEN_FILE ?? DEFAULT_TOKEN_FILE;
  const token = await readToken(file);
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const init = { method, headers, signal: AbortSignal.timeout(patience), redirect: 'error' } as const;
    let response: Response;
    try {
      response = await fetch(
        new URL(path, server),
        body === undefined ? init : { ...init, body: JSON.stringify(body) },
      );
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      const reason = messageOf(cause).replaceAll(/\s+/g, ' ').trim(); // OpenSSL's words have lines
      const advice = 'start one with `signet serve`, or name it with --server';
      throw new AppError('unreachable', `no control plane answers at ${server.origin} (${reason}): ${advice}`);
    }
    if (response.ok) return response.status === 204 ? undefined : response.json();
    throw await refusal(response, file);
  };
  return {
    get: async <T>(path: string) => (await call('GET', path)) as T,
    post: async <T>(path: string, body: unknown) => (await call('POST', path, body)) as T,
    delete: async (path) => {
      await call('DELETE', path);
    },
    token: secret(token),
  };
};

const serverUrl = (text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw usage(`--server ${text} is no URL like ${DEFAULT_SERVER}`);
  }
  if (url.username !== '' || url.password !== '')
    throw usage('--server takes no credentials: the token stands in a file');
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const local = name === 'localhost' || isPlainLoopback(name);
  if (url.protocol === 'http:' && !local) {
    throw usage(
      `--server ${url.origin} would carry the admin token in plaintext: use https, or a tunnel to its loopback`,
    );
  }
  return url;
};

const readToken = async (file: string): Promise<string> => {
  const advice = '`signet serve` writes it as DATA/admin.token; name it with --admin-token-file';
  try {
    const token = (await readFile(file, 'utf8')).trim();
    // Another file, a key perhaps: `fetch` would refuse it as a header and quote it whole.
    if (!/^[\x21-\x7e]+$/.test(token)) throw new AppError('no_admin_token', 'it holds something else');
    return token;
  } catch (error) {
    throw new AppError(
      'no_admin_token',
      `the admin token cannot be read from ${file} (${messageOf(error)}): ${advice}`,
    );
  }
};

const refusal = async (response: Response, tokenFile: string): Promise<AppError> => {
  if (response.status === 401) {
    const advice = 'name the DATA/admin.token of that `signet serve` with --admin-token-file';
    return new AppError('unauthorized', `the control plane does not take the admin token in ${tokenFile}: ${advice}`);
  }
  const answer = (await response.json().catch(() => undefined)) as Partial<ErrorAnswer> | undefined;
  const { code = 'failed', message = `the control plane answered ${response.status}` } = answer?.error ?? {};
  const typed = new Set(['invalid_request', 'xds_address_needed', 'invalid_address']);
  return typed.has(code) ? usage(message) : new AppError(code, message);
};
