import { setTimeout as sleep } from 'node:timers/promises';
import type { RevocationRequest } from '../../../admin/requests.ts';
import type { RevocationAnswer } from '../../../control/revocation/answer.ts';
import { type Duration, showDuration } from '../../../lib/time.ts';
import { type AdminClient, adminClient } from '../../adminClient.ts';
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
} from '../../command.ts';

const PATH = '/api/v1/ca/revocations';

/** How long to wait for the sidecars without `--wait`. */
const SHORT: Duration = 10_000;
const EVERY: Duration = 200;

export const caRevokeCommand: CommandSpec = {
  name: 'ca revoke',
  args: [{ form: '<what>', description: 'a serial (hex), a SPIFFE ID, or NAMESPACE/IDENTITY' }],
  summary: 'revoke a certificate, or an identity with all its certificates and join tokens, at once',
  example: 'signet ca revoke 6d3f0a94c1b2\nsignet ca revoke prod/web --reason "laptop stolen" --cut',
  options: [
    { flags: '--reason <text>', description: 'why, for the log and for who looks later' },
    { flags: '--cut', description: 'end the held connections of the servers concerned too, of every caller' },
    { flags: '--dry-run', description: 'say what it would do, and do nothing' },
    { flags: '--wait', description: 'until every sidecar concerned refuses it (it waits for 10s anyway)' },
    TIMEOUT,
    OUTPUT,
    ...SERVER,
  ],
  run: async (input, io) => {
    const json = wantsJson(input);
    const patience = patienceOf(input);
    const what = input.args[0] ?? '';
    if (input.flag('dry-run') && (input.flag('wait') || input.text('timeout') !== undefined))
      throw usage('--dry-run does nothing, so there is nothing to wait for: leave --wait and --timeout out');
    if (what === '') throw usage('say what to revoke: a serial, NS/IDENTITY or a SPIFFE ID');
    const client = await adminClient(input, io);
    const ask: RevocationRequest = {
      what,
      ...(input.text('reason') === undefined ? {} : { reason: input.text('reason') }),
      cut: input.flag('cut'),
    };
    if (input.flag('dry-run')) {
      const plan = await client.post<RevocationAnswer>(PATH, { ...ask, dryRun: true });
      if (json) printJson(io, plan);
      else
        print(
          io,
          [
            ...showTarget(plan, plan.at === null ? 'would be revoked' : `was revoked at ${plan.at}`),
            ...showEnds(plan, 'would end'),
          ].join('\n'),
        );
      return 0;
    }
    if (ask.cut === true && !json) await announceCut(client, ask, io);
    const done = await client.post<RevocationAnswer>(PATH, ask);
    if (!json)
      print(
        io,
        [
          ...showTarget(done, `revoked at ${done.at ?? ''}`),
          ...keptReason(ask, done),
          ...(ask.cut === true ? [] : showEnds(done, 'ends')),
        ].join('\n'),
      );
    const last = await refusedWithin(patience, client, done);
    if (json) printJson(io, last);
    else print(io, showRefusing(last, patience));
    return isEverywhere(last) ? 0 : 1;
  },
};

const patienceOf = (input: Input): Duration =>
  durationOf(input, 'timeout') ?? (input.flag('wait') ? DEFAULT_TIMEOUT : SHORT);

/** Whose requests end is said before they do. Of what is revoked already there is nothing to foresee. */
const announceCut = async (client: AdminClient, ask: RevocationRequest, io: Io): Promise<void> => {
  const plan = await client.post<RevocationAnswer>(PATH, { ...ask, dryRun: true }).catch(() => undefined);
  const lines = plan === undefined ? [] : showEnds(plan, 'ends now');
  if (lines.length > 0) print(io, lines.join('\n'));
};

const isEverywhere = ({ refusing: { of, by } }: RevocationAnswer): boolean => by >= of;

const refusedWithin = async (
  patience: Duration,
  client: AdminClient,
  done: RevocationAnswer,
): Promise<RevocationAnswer> => {
  const end = performance.now() + patience;
  let last = done;
  while (!isEverywhere(last) && performance.now() < end) {
    await sleep(EVERY);
    last = { ...last, refusing: (await client.get<RevocationAnswer>(`${PATH}/${done.act}`)).refusing };
  }
  return last;
};

const showTarget = (answer: RevocationAnswer, verb: string): readonly string[] => {
  const { what, certificates, services, tokens, openTokens, fixedEndpoints } = answer;
  const shared = services.length > 1 ? [`  shared by ${services.join(', ')}: all of them are concerned`] : [];
  return [
    `${what} ${verb}`,
    ...certificates.map(
      (one) =>
        `  certificate ${one.serial} of ${one.node} (${one.identity}), refused at least until ${one.refusedUntil}`,
    ),
    ...shared,
    ...(tokens.length === 0 ? [] : [`  join tokens ${tokens.join(', ')}`]),
    ...openTokens.map(
      ({ id, service }) =>
        `! the token ${id} that it joined with lets more instances of ${service} join: if it is in other hands, \`signet token revoke ${id}\``,
    ),
    ...fixedEndpoints.map(
      ({ service, line }) => `! callers are told the endpoints of ${service} by ${line}: take them out there`,
    ),
  ];
};

/** A second time is the same revocation. */
const keptReason = ({ reason }: RevocationRequest, done: RevocationAnswer): readonly string[] =>
  reason === undefined || reason.trim() === done.reason
    ? []
    : [`! it was revoked before, and keeps its reason: ${done.reason ?? 'none'}`];

const showEnds = ({ ends }: RevocationAnswer, verb: string): readonly string[] =>
  ends.map(
    ({ port, callers }) =>
      `! ${verb} within the drain time (5s): every connection to ${port}, of ${callers.length === 0 ? 'whoever calls it' : callers.join(', ')}`,
  );

const NOTHING = 'no valid certificate is left to refuse';
const NOBODY = 'no connected sidecar could have admitted it';

const showRefusing = (
  { certificates, refusing: { of, by, waiting, away } }: RevocationAnswer,
  patience: Duration,
): string => {
  const missing = away.map(
    ({ node, lastSeen }) =>
      `! ${node} is not connected (last seen ${lastSeen}): it refuses once it is back, and admits until then if it runs`,
  );
  const nobody = of > 0 ? '' : ` (${certificates.length === 0 ? NOTHING : NOBODY})`;
  if (by >= of) return [`refused everywhere: ${by}/${of}${nobody}`, ...missing].join('\n');
  const whom = waiting.map(
    ({ node, why }) => `  ${node}${why === 'refused' ? ' refused what it was sent: `signet status` says why' : ''}`,
  );
  return [`refused by ${by}/${of} within ${showDuration(patience)}, waiting for`, ...whom, ...missing].join('\n');
};
