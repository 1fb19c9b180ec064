import { setTimeout as sleep } from 'node:timers/promises';
import { noAnswer } from '../../control/health/controlPlane.ts';
import type { Finding, HealthReport, Level } from '../../control/health/finding.ts';
import { AppError } from '../../lib/errors.ts';
import { type Duration, showDuration } from '../../lib/time.ts';
import { adminClient } from '../adminClient.ts';
import {
  type CommandSpec,
  DEFAULT_TIMEOUT,
  durationOf,
  type Input,
  type Io,
  OUTPUT,
  print,
  printJson,
  SERVER,
  TIMEOUT,
  usage,
  wantsJson,
} from '../command.ts';

/** The health of the whole mesh. */
export const checkCommand: CommandSpec = {
  name: 'check',
  args: [],
  summary: 'show the health of the whole mesh, and what to do',
  example: 'signet check\nsignet check --wait --timeout 2m',
  options: [
    { flags: '--wait', description: 'until nothing fails and every sidecar took the newest configuration' },
    TIMEOUT,
    OUTPUT,
    ...SERVER,
  ],
  run: async (input, io) => {
    const json = wantsJson(input);
    const patience = patienceOf(input);
    const report = await reportWithin(patience ?? 0, input, io);
    const waitedFor = patience !== undefined && !isGood(report) ? patience : undefined;
    if (json) printJson(io, report);
    else print(io, showReport(report, waitedFor));
    return report.healthy && waitedFor === undefined ? 0 : 1;
  },
};

const EVERY: Duration = 500;
/** For one answer, however little time is left. */
const LEAST: Duration = 1_000;
const MOST: Duration = 30_000;

/** How long to wait at most; `undefined` without `--wait`. */
const patienceOf = (input: Input): Duration | undefined => {
  if (input.flag('wait')) return durationOf(input, 'timeout') ?? DEFAULT_TIMEOUT;
  if (input.text('timeout') !== undefined) throw usage('--timeout says how long --wait may take: write --wait, too');
  return undefined;
};

const isGood = ({ healthy, pending }: HealthReport): boolean => healthy && !pending;

/** The first report that is good, or the last one before the time is over. */
const reportWithin = async (patience: Duration, input: Input, io: Io): Promise<HealthReport> => {
  const end = performance.now() + patience;
  for (;;) {
    const left = Math.ceil(end - performance.now());
    const report = await ask(input, io, patience === 0 ? MOST : Math.min(MOST, Math.max(LEAST, left)));
    const rest = end - performance.now();
    if (isGood(report) || rest <= 0) return report;
    await sleep(Math.min(EVERY, rest));
  }
};

/** What the control plane says, or why it says nothing. */
const ask = async (input: Input, io: Io, patience: Duration): Promise<HealthReport> => {
  try {
    return await (await adminClient(input, io, patience)).get<HealthReport>('/api/v1/check');
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'usage') throw error;
    const { message } = error;
    const colon = message.lastIndexOf(': '); // the client's sentences end with what to do
    if (colon < 0) return noAnswer(Date.now(), message, 'look at the log of `signet serve`');
    return noAnswer(Date.now(), message.slice(0, colon), message.slice(colon + 2));
  }
};

const MARKS: Readonly<Record<Level, string>> = { ok: '√', warning: '‼', failure: '×' };

const showReport = (report: HealthReport, waitedFor: Duration | undefined): string => {
  const groups = [...new Set(report.findings.map(({ group }) => group))];
  const sections = groups.map((group) => {
    const lines = report.findings.filter((found) => found.group === group).map(showFinding);
    return [group, '-'.repeat(group.length), ...lines, ''].join('\n');
  });
  return [...sections, verdict(report, waitedFor)].join('\n');
};

const showFinding = ({ level, code, message, action }: Finding): string =>
  [`${MARKS[level]} ${code} ${message}`, ...(action === null ? [] : [`    ${action}`])].join('\n');

const verdict = ({ findings, healthy }: HealthReport, waitedFor: Duration | undefined): string => {
  const many = (level: Level, word: string): readonly string[] => {
    const n = findings.filter((found) => found.level === level).length;
    return n === 0 ? [] : [`${n} ${word}${n === 1 ? '' : 's'}`];
  };
  const found = [...many('failure', 'failure'), ...many('warning', 'warning')].join(' and ');
  const state = healthy && waitedFor === undefined ? `${MARKS.ok} healthy` : `${MARKS.failure} not healthy`;
  const late = waitedFor === undefined ? '' : ` within ${showDuration(waitedFor)}`;
  return `${state}${late}${found === '' ? '' : `: ${found}`}`;
};
