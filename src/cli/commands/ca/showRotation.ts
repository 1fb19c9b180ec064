import type { CaAnswer } from '../../../admin/responses.ts';
import type { RotationAnswer } from '../../../admin/rotationResponses.ts';
import type { RotationKind, RotationStep } from '../../../ca/rotation.ts';
import { showDuration } from '../../../lib/time.ts';

type Plan = NonNullable<RotationAnswer['rotation']>;

const GONE = '  what is gone for good is not waited for once its join token is revoked: `signet token list`';

/** More names than this are counted. */
const MOST = 20;

const STEPS: Readonly<Record<RotationKind, Readonly<Partial<Record<RotationStep, string>>>>> = {
  root: {
    distribute: 'the new root goes into every bundle; until every sidecar that has a live certificate ACKed it',
    issue: 'certificates come from the new root, sidecar by sidecar; until every connected one ACKed its own',
    retire: 'the old root leaves every bundle; once no certificate of it lives',
  },
  intermediate: {
    issue: 'certificates come from the new intermediate, sidecar by sidecar; until every connected one ACKed its own',
    retire: 'the old intermediate goes; once no certificate of it lives',
  },
  compromise: {
    distribute: 'a new root goes into every bundle; until every connected sidecar ACKed it, 1 minute at most',
    issue: 'the old root never signs again and everybody gets a new certificate at once; 1 minute at most',
    retire: 'the old root leaves every bundle and its key is destroyed; 1 minute at most, whoever is away',
  },
};

export const nameOf = (kind: RotationKind): string =>
  kind === 'intermediate' ? 'the intermediate' : kind === 'root' ? 'the root' : 'a compromised root';

const left = (until: string, now: number): string => `${until} (${showDuration(Math.max(0, Date.parse(until) - now))})`;

const listed = (lines: readonly string[]): readonly string[] =>
  lines.length > MOST ? [...lines.slice(0, MOST), `      and ${lines.length - MOST} more`] : lines;

const waiting = (waitingFor: Plan['waitingFor'], now: number): readonly string[] =>
  listed(
    waitingFor.map(
      ({ node, why, until }) => `      ${node} ${why}${until === null ? '' : `; until ${left(until, now)} at most`}`,
    ),
  );

const serials = ({ from, to }: Plan): string => `from ${from.slice(0, 8)} to ${to.slice(0, 8)}`;

/** The running plan: its steps, where it is, and for whom it waits. */
export const showPlan = (plan: Plan, now: number, { connected, shown }: RotationAnswer['sidecars']): string => {
  const steps = Object.entries(STEPS[plan.kind]);
  const at = steps.findIndex(([step]) => step === plan.step);
  const lines = steps.flatMap(([step, does], index) => {
    const mark = index < at ? '√' : index === at ? '→' : '·';
    const line = `  ${mark} ${step.padEnd(10)}  ${does}`;
    if (index !== at) return [line];
    const since = `    since ${plan.stepSince} (${showDuration(Math.max(0, now - Date.parse(plan.stepSince)))})`;
    const waits = plan.waitingFor.length === 0 ? ', waits for nobody' : `, waits for ${plan.waitingFor.length}:`;
    const seen =
      plan.step === 'distribute'
        ? []
        : [`    ${shown} of ${connected} connected sidecars show what they ACKed in their Envoy's own /certs`];
    return [line, since + waits, ...waiting(plan.waitingFor, now), ...seen];
  });
  return [
    `rotation ${plan.id} of ${nameOf(plan.kind)} ${serials(plan)}${plan.paused ? ', PAUSED' : ''}, since ${plan.startedAt}: ${plan.reason}`,
    ...lines,
    ...(plan.trouble === null ? [] : [`  the last step could not be stored, which is tried again: ${plan.trouble}`]),
    ...(plan.paused ? ['  it does nothing until `signet ca rotate --resume`'] : []),
    ...(plan.waitingFor.some(({ why }) => why.endsWith('is away')) ? [GONE] : []),
  ].join('\n');
};

/** What `--compromised` makes of it. */
export const showHurry = ({ kind, from, to }: Plan): readonly string[] => {
  if (kind === 'compromise') return [];
  if (kind === 'intermediate')
    return ['`signet ca rotate --compromised --yes` drops it, and begins a rotation away from the present root'];
  return [
    `\`signet ca rotate --compromised --yes\` makes it one away from a compromised root: ${from.slice(0, 8)} is tainted, and nobody waited for longer than a minute`,
    `! if it is the key of ${to.slice(0, 8)} that is in other hands, \`signet ca rotate --abort\` first: the one that goes is the one that is tainted`,
  ];
};

const comingOf = (prepared: RotationAnswer['prepared']): string =>
  prepared === null ? '' : `, to the one that was imported (${prepared.subject.replaceAll('\n', ', ')})`;

/** What a plan would do, and whom it would concern. */
export const showPreview = (kind: RotationKind, answer: RotationAnswer, now: number): string => {
  const { sidecars, active, scheduled, ownRoot, prepared } = answer;
  const does = prepared === null || kind === 'compromise' ? kind : prepared.kind;
  const lines = Object.entries(STEPS[does]).map(
    ([step, words], index) => `  ${index + 1} ${step.padEnd(10)}  ${words}`,
  );
  const away = sidecars.away.map(
    ({ node, until }) => `  ${node} is away; its certificate lives until ${left(until, now)}`,
  );
  const flag = kind === 'root' ? '' : kind === 'intermediate' ? ' --intermediate' : ' --compromised';
  const waits = kind === 'compromise' ? 'and does not wait for' : 'and waits at most for';
  return [
    `no rotation is running; the active root is ${active.root}, the active intermediate ${active.intermediate}`,
    ownRoot
      ? `a new root begins to be led in by itself at ${scheduled}`
      : `the key of the root is not in Signet: its owner brings the next one, best from ${scheduled} on`,
    `a rotation of ${nameOf(does)}${comingOf(prepared)}:`,
    ...lines,
    `it concerns ${sidecars.connected} connected sidecars${away.length === 0 ? '' : `, ${waits} ${away.length}:`}`,
    ...listed(away),
    ownRoot || prepared !== null
      ? `nothing was changed: \`signet ca rotate${flag} --yes\` begins it`
      : 'nothing was changed, and nothing can be begun before the next one is there: `signet ca csr`, or another CA of the signer',
  ].join('\n');
};

/** That an abort does not last where the signer of mesh.yaml signs with the root that it led to; `undefined` elsewhere. */
export const showAgain = (
  { rotation, prepared }: RotationAnswer,
  { name, sign }: NonNullable<CaAnswer['signer']>,
): string | undefined => {
  const kind = rotation === null ? prepared?.kind : rotation.kind;
  if (kind !== 'root') return undefined;
  const when = sign === 'leaves' ? 'with the next certificate that is due' : 'within seconds';
  return `! this does not last if ${name} signs with the new root: the rotation begins again ${when}. Name another signer in mesh.yaml, or none; or hold it where it is with \`signet ca rotate --pause\``;
};

/** The anchors of the channel, and who has which. */
export const showChannel = ({ channel }: RotationAnswer, acted: boolean): string => {
  const { anchors, onlyOld, away } = channel;
  const old = anchors.some(({ state }) => state === 'old');
  const rows = anchors.map(({ serial, state, notAfter }) => `  ${serial}  ${state.padEnd(8)}  until ${notAfter}`);
  const next = old
    ? [
        `sidecars whose bootstrap holds the old anchor alone: ${onlyOld.length}`,
        ...listed(onlyOld.map((node) => `      ${node}`)),
        `instances that are away, of which that is not known: ${away.length}`,
        ...listed(away.map(({ node, lastSeen }) => `      ${node}, last seen ${lastSeen}`)),
        ...(onlyOld.length + away.length === 0
          ? ['nobody is known to need it; count bootstraps that were printed and not used yet,']
          : [
              'give each of them a new bootstrap (`signet bootstrap`; `signet sidecar`: start it again), and count bootstraps that were',
              'printed and not used yet; revoke the token of what it replaced or what is gone (`signet token list`, `token revoke ID`);',
            ]),
        'then `signet ca rotate --channel --retire`. Until then the old anchor serves them. `--channel --abort` makes it the active one again',
      ]
    : acted
      ? ['one anchor is left, and every new bootstrap holds that one alone']
      : [
          'nothing was changed: `signet ca rotate --channel --yes` makes a new anchor. It stands in every bootstrap from then on,',
          'beside the old one, and signs for those who have it; the old one serves all others until you retire it',
        ];
  return ['anchors of the channel between sidecars and Signet:', ...rows, ...next].join('\n');
};
