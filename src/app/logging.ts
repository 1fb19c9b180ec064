import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { printable } from '../lib/printable.ts';

/** The log, on stderr: JSON, a line each; on a terminal a line for people. */
export const createLog = (level = 'info'): Logger =>
  pino({ level, base: null }, process.stderr.isTTY ? terminal : destination({ fd: 2, sync: true }));

const LEVELS: Readonly<Record<number, string>> = { 30: '', 40: 'warning: ', 50: 'error: ', 60: 'error: ' };
const HIDDEN = new Set(['level', 'time', 'msg', 'diagnostics', 'err']);

const terminal: DestinationStream = {
  write: (line) => {
    process.stderr.write(`${humanLine(JSON.parse(line) as Readonly<Record<string, unknown>>)}\n`);
  },
};

/** `12:03:04 warning: sentence  key=value`, with diagnostics below. */
export const humanLine = (entry: Readonly<Record<string, unknown>>): string => {
  const time = new Date(Number(entry.time)).toISOString().slice(11, 19);
  const fields = Object.entries(entry)
    .filter(([key, value]) => !HIDDEN.has(key) && value !== undefined)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const cause = entry.err;
  const reason = typeof cause === 'object' && cause !== null && 'message' in cause ? `: ${String(cause.message)}` : '';
  const below = Array.isArray(entry.diagnostics)
    ? entry.diagnostics.map((text) => `\n  ${printable(String(text))}`)
    : [];
  const head = `${time} ${LEVELS[Number(entry.level)] ?? ''}${String(entry.msg)}${reason}`;
  // Much of it is what sidecars say of themselves.
  return `${printable(`${head}${fields.length === 0 ? '' : ` ${fields.join('')}`}`)}${below.join('')}`;
};
