/** Takes the shapes of policies and rules out of openapi.json, for the forms: `npm run api` writes them to src/api/policy.json. */
import { readFileSync, writeFileSync } from 'node:fs';

interface Document {
  components: { schemas: Record<string, unknown> };
}

/** Every shape that policies and the rules of plans and routes lead to, as the file holds them. */
export function policyText(): string {
  const { schemas } = (JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as Document).components;
  const wanted = ['Policy', 'PlanRules', 'RouteRules'];
  for (let at = 0; at < wanted.length; at += 1) {
    const inner = JSON.stringify(schemas[wanted[at] ?? '']).matchAll(/#\/components\/schemas\/(\w+)/g);
    for (const [, name = ''] of inner) if (!wanted.includes(name)) wanted.push(name);
  }
  return `${JSON.stringify(Object.fromEntries(wanted.map((name) => [name, schemas[name]])), null, 1)}\n`;
}

if (process.argv[1]?.endsWith('policy.ts')) writeFileSync(new URL('../src/api/policy.json', import.meta.url), policyText());
