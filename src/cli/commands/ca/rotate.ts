import type { ChannelRequest, RotationRequest } from '../../../admin/requests.ts';
import type { CaAnswer } from '../../../admin/responses.ts';
import type { RotationAnswer } from '../../../admin/rotationResponses.ts';
import type { RotationKind } from '../../../ca/rotation.ts';
import { type AdminClient, adminClient } from '../../adminClient.ts';
import {
  type CommandSpec,
  type ExitCode,
  type Input,
  type Io,
  OUTPUT,
  print,
  printJson,
  SERVER,
  usage,
  wantsJson,
} from '../../command.ts';
import { showAgain, showChannel, showHurry, showPlan, showPreview } from './showRotation.ts';
import { waitForRotation } from './waitForRotation.ts';

const PATH = '/api/v1/ca/rotation';
const VERBS = ['pause', 'resume', 'abort', 'retire'] as const;
type Verb = (typeof VERBS)[number];

/** Rotations of the root, the intermediate and the channel CA. */
export const caRotateCommand: CommandSpec = {
  name: 'ca rotate',
  args: [],
  summary: 'show, begin and lead a rotation of the certificate authority',
  example:
    'signet ca rotate\nsignet ca rotate --yes --wait\nsignet ca rotate --compromised --yes --reason "backup was stolen"',
  options: [
    { flags: '--yes', description: 'begin; without it nothing is changed' },
    { flags: '--wait', description: 'follow it to its end' },
    { flags: '--intermediate', description: 'a new intermediate below the present root' },
    {
      flags: '--compromised',
      description: 'somebody else may have the key of the root: all certificates are replaced now',
    },
    { flags: '--channel', description: 'the anchor of the channel between sidecars and Signet' },
    { flags: '--pause', description: 'stop where it is' },
    { flags: '--resume', description: 'go on' },
    { flags: '--abort', description: 'back to the old one, by the same gates' },
    { flags: '--retire', description: 'with --channel: drop the old anchor' },
    { flags: '--force', description: 'with --retire: also if sidecars have the old anchor alone' },
    { flags: '--reason <text>', description: 'with --yes or --abort: for the log and the journal' },
    OUTPUT,
    ...SERVER,
  ],
  run: async (input, io) => {
    const json = wantsJson(input);
    const asked = readAsk(input);
    const client = await adminClient(input, io);
    const answer = await carryOut(asked, input, client);
    if (asked.verb === 'abort' && asked.what === 'mesh' && !json) await sayAgain(answer, client, io);
    if (input.flag('wait') && answer.rotation !== null) return follow(client, answer, io, json);
    if (json) printJson(io, answer);
    else print(io, show(asked, answer, input.flag('yes')));
    if (asked.kind === 'compromise' && asked.verb === undefined && !input.flag('yes'))
      throw usage('nothing was changed: say --yes to taint the root and replace every certificate now');
    return 0;
  },
};

type Ask = { readonly what: 'mesh' | 'channel'; readonly kind: RotationKind; readonly verb: Verb | undefined };

/** @throws AppError `usage` for flags that contradict each other */
const readAsk = (input: Input): Ask => {
  const together = (...flags: readonly string[]): readonly string[] =>
    flags.filter((flag) => input.flag(flag)).map((flag) => `--${flag}`);
  const kinds = together('intermediate', 'compromised', 'channel');
  if (kinds.length > 1) throw usage(`${kinds.join(' and ')} are different rotations: say one of them`);
  const verbs = together(...VERBS);
  if (verbs.length > 1) throw usage(`${verbs.join(' and ')} contradict each other`);
  const verb = VERBS.find((one) => input.flag(one));
  if (verb !== undefined && input.flag('yes'))
    throw usage(`--yes begins a rotation, and ${verbs[0]} is about one that runs`);
  const what = input.flag('channel') ? 'channel' : 'mesh';
  const misplaced = what === 'channel' ? together('pause', 'resume', 'wait') : together('retire', 'force');
  if (misplaced[0] !== undefined)
    throw usage(what === 'channel' ? `--channel has no ${misplaced[0]}` : `${misplaced[0]} goes with --channel`);
  if (verb !== undefined && what === 'mesh' && kinds.length > 0)
    throw usage(`${kinds[0]} is for beginning one; ${verbs[0]} is about the one that runs`);
  if (input.flag('force') && verb !== 'retire') throw usage('--force goes with --retire');
  refuseUnheard(input, what, verb);
  const kind = input.flag('compromised') ? 'compromise' : input.flag('intermediate') ? 'intermediate' : 'root';
  return { what, kind, verb };
};

/** What nothing would come of. @throws AppError `usage` */
const refuseUnheard = (input: Input, what: Ask['what'], verb: Verb | undefined): void => {
  const begins = input.flag('yes');
  if (input.text('reason') !== undefined && (what === 'channel' || !(begins || verb === 'abort')))
    throw usage('--reason is kept of what --yes begins and --abort ends, and not with --channel: leave it out here');
  if (!input.flag('wait')) return;
  if (verb === 'pause') throw usage('--pause stops it, so --wait would never end: say one of them');
  const kind = (['intermediate', 'compromised'] as const).find((flag) => input.flag(flag));
  if (kind !== undefined && !begins) throw usage(`--wait follows what runs; to begin with --${kind}, say --yes, too`);
};

const carryOut = ({ what, kind, verb }: Ask, input: Input, client: AdminClient): Promise<RotationAnswer> => {
  const reason = input.text('reason');
  const why = reason === undefined ? {} : { reason };
  const mesh = (body: RotationRequest) => client.post<RotationAnswer>(PATH, body);
  const channel = (body: ChannelRequest) => client.post<RotationAnswer>('/api/v1/ca/channel', body);
  if (what === 'channel') {
    if (verb === 'retire') return channel({ action: 'retire', force: input.flag('force') });
    if (verb === 'abort') return channel({ action: 'abort' });
    return input.flag('yes') ? channel({ action: 'begin' }) : client.get(PATH);
  }
  if (verb === 'abort') return mesh({ action: 'abort', ...why });
  if (verb === 'pause' || verb === 'resume') return mesh({ action: verb });
  return input.flag('yes') ? mesh({ action: 'start', kind, ...why }) : client.get(PATH);
};

/** On stderr, because --wait follows it to its end. */
const sayAgain = async (answer: RotationAnswer, client: AdminClient, io: Io): Promise<void> => {
  const { signer } = await client.get<CaAnswer>('/api/v1/ca');
  const words = signer === null ? undefined : showAgain(answer, signer);
  if (words !== undefined) io.stderr.write(`${words}\n`);
};

const show = ({ what, kind, verb }: Ask, answer: RotationAnswer, began: boolean): string => {
  if (what === 'channel') return showChannel(answer, verb !== undefined);
  const now = Date.now();
  if (answer.rotation !== null) {
    const hurries = kind === 'compromise' && verb === undefined && !began;
    const hurry = hurries ? showHurry(answer.rotation) : [];
    return [showPlan(answer.rotation, now, answer.sidecars), ...hurry].join('\n');
  }
  if (verb === 'abort') return `the rotation was dropped; the active root is ${answer.active.root}`;
  return began ? `the rotation is done; the active root is ${answer.active.root}` : showPreview(kind, answer, now);
};

const follow = async (client: AdminClient, first: RotationAnswer, io: Io, json: boolean): Promise<ExitCode> => {
  const say = (line: string): void => void io.stderr.write(`${new Date().toISOString()} ${line}\n`);
  const { answer, arrived } = await waitForRotation(client, first, say);
  if (json) printJson(io, answer);
  else {
    const { root, intermediate } = answer.active;
    const end = arrived ? 'done' : 'it was aborted and went back';
    print(io, `${end}: the active root is ${root}, the active intermediate ${intermediate}`);
  }
  return arrived ? 0 : 1;
};
