import type { IssuedAnswer, IssuedListAnswer } from '../../../admin/responses.ts';
import { showDuration } from '../../../lib/time.ts';
import { adminClient } from '../../adminClient.ts';
import { type CommandSpec, print, printJson, SERVER } from '../../command.ts';
import { csv } from '../../csv.ts';
import { table } from '../../table.ts';

const COLUMNS = [
  'node',
  'identity',
  'serial',
  'issuer',
  'root',
  'notBefore',
  'notAfter',
  'secondsLeft',
  'state',
] as const satisfies readonly (keyof IssuedAnswer)[];

export const caListCommand: CommandSpec = {
  name: 'ca list',
  args: [],
  summary: 'show every certificate that lives: whose, by which CA, until when, and whether its sidecar holds it',
  example: 'signet ca list\nsignet ca list -o csv > certificates.csv',
  options: [
    {
      flags: '-o, --output <form>',
      description: 'table, json or csv (RFC 4180)',
      default: 'table',
      choices: ['table', 'json', 'csv'],
    },
    ...SERVER,
  ],
  run: async (input, io) => {
    const form = input.text('output');
    const list = await (await adminClient(input, io)).get<IssuedListAnswer>('/api/v1/ca/certificates');
    const { certificates } = list;
    if (form === 'json') printJson(io, list);
    else if (form === 'csv') io.stdout.write(csv(COLUMNS, certificates.map(row)));
    else if (certificates.length === 0) print(io, 'no certificate was issued that has not ended');
    else print(io, table(['NODE', 'IDENTITY', 'SERIAL', 'ISSUER', 'STATE', 'NOT AFTER'], certificates.map(line)));
    return 0;
  },
};

const row = (one: IssuedAnswer): readonly string[] => COLUMNS.map((column) => `${one[column] ?? ''}`);

const line = ({ node, identity, serial, issuer, state, notAfter, secondsLeft }: IssuedAnswer): readonly string[] => [
  node,
  identity,
  serial,
  issuer ?? '-',
  state,
  `${notAfter} (${showDuration(secondsLeft * 1000)} left)`,
];
