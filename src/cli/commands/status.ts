import type { FleetStatus, SidecarStatus } from '../../control/status.ts';
import { showDuration } from '../../lib/time.ts';
import { adminClient } from '../adminClient.ts';
import { type CommandSpec, OUTPUT, print, printJson, SERVER, wantsJson } from '../command.ts';
import { table } from '../table.ts';

/** Every connected sidecar. */
export const statusCommand: CommandSpec = {
  name: 'status',
  args: [],
  summary: 'show every sidecar: what it was sent, what it took, and its certificate',
  example: 'signet status -o json',
  options: [OUTPUT, ...SERVER],
  run: async (input, io) => {
    const json = wantsJson(input);
    const status = await (await adminClient(input, io)).get<FleetStatus>('/api/v1/status');
    if (json) printJson(io, status);
    else print(io, showStatus(status, Date.now()));
    return 0;
  },
};

const TYPES = ['cds', 'eds', 'sds', 'lds', 'rds'] as const;

const showStatus = ({ mesh, sidecars, quarantined, away, revocations, warnings }: FleetStatus, now: number): string => {
  const rows = sidecars.map((sidecar) => [
    sidecar.node,
    sidecar.address === sidecar.peer ? sidecar.address : `${sidecar.address} (from ${sidecar.peer})`,
    showDuration(now - Date.parse(sidecar.connectedSince)),
    ...TYPES.map((type) => cell(sidecar, type)),
    certificate(sidecar, now),
  ]);
  const head = ['SIDECAR', 'ADDRESS', 'SINCE', ...TYPES.map((type) => type.toUpperCase()), 'CERTIFICATE'];
  const notes = [
    ...sidecars.flatMap((sidecar) =>
      TYPES.flatMap((type) => {
        const error = sidecar.types[type]?.error ?? null;
        return error === null ? [] : [`${sidecar.node} refused ${type}: ${error}`];
      }),
    ),
    ...quarantined.map(showQuarantined),
    ...away.map(({ node, address, since }) => `${node} is away since ${since}, and callers are still told ${address}`),
    ...revocations.map(showRevocation),
    ...warnings,
    ...(mesh.problem === null ? [] : [showProblem(mesh.problem)]),
  ];
  const title = `${mesh.file} revision ${mesh.revision}, in force since ${mesh.loadedAt}`;
  const body = rows.length === 0 ? 'no sidecar is connected' : table(head, rows);
  return [title, body, ...notes.map((note) => `! ${note}`)].join('\n');
};

const showRevocation = ({ what, at, reason, refusing }: FleetStatus['revocations'][number]): string => {
  const why = reason === null ? '' : ` (${reason})`;
  const { of, by, waiting, away } = refusing;
  const list = (some: readonly { readonly node: string }[]): string => some.map(({ node }) => node).join(', ');
  const late = waiting.length === 0 ? '' : `, not yet by ${list(waiting)}`;
  const gone = away.length === 0 ? '' : `; not connected: ${list(away)}`;
  return `${what} was revoked at ${at}${why}: refused by ${by}/${of}${late}${gone}`;
};

const WORDS = { cds: 'cluster', eds: 'endpoints', sds: 'secret', lds: 'listener', rds: 'route' } as const;

const showQuarantined = (q: FleetStatus['quarantined'][number]): string => {
  const [first, ...others] = q.refusedBy;
  const by = others.length === 0 ? first : `${first} and ${others.length} more`;
  const what = `${WORDS[q.type]} ${q.resource}${q.source === null ? '' : ` (${q.source})`} of ${q.service}`;
  const kept = [
    ...(q.keeping > 0 ? [`${sidecarCount(q.keeping)} the version from before`] : []),
    ...(q.without > 0
      ? [`${q.without === 1 ? '1 has' : `${q.without} have`} no version from before that is known to be good`]
      : []),
    ...(q.takenByOthers ? ['others took it'] : []),
  ];
  return `quarantined: ${what} refused by ${by}: ${q.error}; ${kept.join(', ')}`;
};

const sidecarCount = (n: number): string => (n === 1 ? '1 sidecar keeps' : `${n} sidecars keep`);

const showProblem = ({ since, message, diagnostics }: NonNullable<FleetStatus['mesh']['problem']>): string =>
  [`since ${since} the file is not in force: ${message}`, ...diagnostics.map((text) => `  ${text}`)].join('\n');

const cell = ({ types }: SidecarStatus, type: (typeof TYPES)[number]): string => {
  const known = types[type];
  if (known === undefined || known.sent === null) return '-';
  if (known.error !== null) return 'NACKED';
  return known.acked === known.sent ? `acked ${known.acked.slice(0, 8)}` : 'waiting';
};

const certificate = ({ certificate: held }: SidecarStatus, now: number): string =>
  held === null ? '-' : `${held.serial.slice(0, 12)} (${showDuration(Date.parse(held.notAfter) - now)} left)`;
