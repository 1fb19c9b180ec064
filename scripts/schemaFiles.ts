import { jsonSchema, OUTPUTS } from '../src/admin/schemas.ts';

/** What stands in docs/schemas/: name and text of each file. */
export const schemaFiles = (): ReadonlyMap<string, string> =>
  new Map(
    Object.entries(OUTPUTS).map(([command, schema]) => {
      const { $schema, ...body } = jsonSchema(schema, 'draft-2020-12') as { readonly $schema: string };
      const text = JSON.stringify({ $schema, title: `signet ${command} -o json`, ...body }, null, 2);
      return [`${command.replaceAll(' ', '-')}.json`, `${text}\n`] as const;
    }),
  );
