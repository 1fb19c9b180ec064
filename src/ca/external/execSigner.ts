import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { AppError } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import { type Duration, showDuration } from '../../lib/time.ts';
import type { RemoteSigner, SignAsk } from './remoteSigner.ts';

const MOST_OUTPUT = 64 * 1024;
const MOST_COMPLAINT = 4 * 1024;

export type ExecSignerOptions = {
  readonly command: readonly string[];
  /** Where it runs, and what relative paths of the command are relative to. */
  readonly folder: string;
  readonly timeout: Duration;
  readonly env: NodeJS.ProcessEnv;
  /** Ends what runs when it is aborted. */
  readonly closed: AbortSignal;
};

const failed = (sentence: string): AppError<'signer_failed'> => new AppError('signer_failed', sentence);

/** The last words of a program as one line, without what may be a key. */
const complaint = (stderr: Buffer): string => {
  const text = stderr.toString('utf8').replace(/-----BEGIN[\s\S]*?(-----END[^\n]*|$)/g, '[redacted]');
  const line = printable(text.trim());
  return line === '' ? 'without a word on stderr' : `stderr: ${line.slice(-400)}`;
};

/** Ends the program and what it started: it leads a process group of its own, which nobody else is in. */
const end = (child: ChildProcess): void => {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
};

const environment = ({ use, id, ttl }: SignAsk, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  SIGNET_SIGN: use,
  SIGNET_ID: id,
  ...(ttl === undefined ? {} : { SIGNET_TTL_SECONDS: `${Math.floor(ttl / 1000)}` }),
});

type Ended = {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
};

const run = (ask: SignAsk, { command, folder, timeout, env, closed }: ExecSignerOptions): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const [file = '', ...args] = command;
    const child = spawn(file, args, {
      cwd: folder,
      env: environment(ask, env),
      shell: false,
      detached: true,
      stdio: 'pipe',
    });
    const [out, complaints]: Buffer[][] = [[], []];
    let [size, complained] = [0, 0];
    const shutDown = (): void => stop(failed('Signet shuts down'));
    closed.addEventListener('abort', shutDown, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      closed.removeEventListener('abort', shutDown);
    };
    const stop = (error: AppError): void => {
      settle();
      end(child);
      reject(error);
    };
    const timer = setTimeout(
      () =>
        stop(
          failed(
            `it gave no answer within ${showDuration(timeout)}, and was ended (${complaint(Buffer.concat(complaints ?? []))})`,
          ),
        ),
      timeout,
    );
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'ENOENT'
          ? 'there is no such program'
          : error.code === 'EACCES'
            ? 'it may not be executed'
            : (error.code ?? error.message);
      stop(failed(`it cannot be started: ${why}`));
    });
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MOST_OUTPUT) stop(failed(`it wrote more than ${MOST_OUTPUT / 1024} KiB to stdout, and was ended`));
      else out?.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (complained < MOST_COMPLAINT) complaints?.push(chunk.subarray(0, MOST_COMPLAINT - complained));
      complained += chunk.length;
    });
    // It may end without reading the request.
    child.stdin.on('error', () => {});
    child.stdin.end(ask.csr);
    child.on('close', (code, signal) => {
      settle();
      resolve({ stdout: Buffer.concat(out ?? []), stderr: Buffer.concat(complaints ?? []), code, signal });
    });
  });

/** A program that is given a PKCS#10 request on stdin and prints the PEM chain, leaf first, on stdout. Never a shell. */
export const execSigner = (options: ExecSignerOptions): RemoteSigner => {
  const origin = `exec ${createHash('sha256').update(JSON.stringify(options.command)).digest('hex').slice(0, 16)}`;
  return Object.freeze({
    name: `the signer (exec ${printable(options.command[0] ?? '')})`,
    origin: () => origin,
    sign: async (ask: SignAsk) => {
      const { stdout, stderr, code, signal } = await run(ask, options);
      if (code !== 0) throw failed(`it ended with ${signal ?? code} (${complaint(stderr)})`);
      if (stdout.length === 0) throw failed(`it ended with 0 and printed nothing (${complaint(stderr)})`);
      return stdout.toString('utf8');
    },
  });
};
