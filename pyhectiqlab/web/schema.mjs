// Types of the lab's API: OpenAPI on standard input, TypeScript on standard output. scripts/build-web runs it.
//
// Each model of the schema becomes an interface of its name. Three more interfaces have a member for each route, named as in
// "GET /runs/{run_id}", without /api/v1: Answers (the JSON that the lab answers), Bodies (the JSON that it takes) and Queries
// (the query parameters that it knows).

import { text } from 'node:stream/consumers';
import { compile } from 'json-schema-to-typescript';

const PREFIX = '/api/v1';
const BANNER = '// Made from the OpenAPI schema of the lab by scripts/build-web. Do not edit.';
const NOISE = /( \*\n)? \* This interface was referenced by .*\n \* via the .*\n/g;

const openapi = JSON.parse((await text(process.stdin)).replaceAll('#/components/schemas/', '#/definitions/'));
const routes = Object.entries(openapi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, route]) => [`${method.toUpperCase()} ${path.slice(PREFIX.length)}`, route]),
);

/** Return an object with a property for each route for which `schemaOf` finds a schema. */
function byRoute(title, schemaOf) {
  const found = routes.map(([name, route]) => [name, schemaOf(route)]).filter(([, schema]) => schema && Object.keys(schema).length);
  return { title, ...object(found) };
}

function object(properties, required = properties.map(([name]) => name)) {
  return { type: 'object', properties: Object.fromEntries(properties), required };
}

function answerOf(route) {
  const status = Object.keys(route.responses).find((code) => code.startsWith('2'));
  return route.responses[status]?.content?.['application/json']?.schema;
}

function bodyOf(route) {
  return route.requestBody?.content['application/json']?.schema;
}

function queryOf(route) {
  const parameters = (route.parameters ?? []).filter((p) => p.in === 'query');
  const required = parameters.filter((p) => p.required).map((p) => p.name);
  return parameters.length ? object(parameters.map((p) => [p.name, p.schema]), required) : undefined;
}

/** Return the schema without what would give a type two names: titles of fields, and descriptions beside a reference. */
function plain(schema) {
  if (Array.isArray(schema)) return schema.map(plain);
  if (schema === null || typeof schema !== 'object') return schema;
  if (typeof schema.$ref === 'string') return { $ref: schema.$ref };
  const kept = Object.entries(schema).filter(([key]) => key !== 'title');
  return Object.fromEntries(kept.map(([key, value]) => [key, key === 'properties' ? each(value, plain) : plain(value)]));
}

function each(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

const maps = [byRoute('Answers', answerOf), byRoute('Bodies', bodyOf), byRoute('Queries', queryOf)];
const api = object(maps.map(({ title, ...schema }) => [title, { title, ...plain(schema) }]));
const definitions = each(openapi.components.schemas, plain);
const options = {
  additionalProperties: false,
  bannerComment: BANNER,
  ignoreMinAndMaxItems: true,
  style: { printWidth: 120, singleQuote: true },
  unreachableDefinitions: true,
};
const made = await compile({ ...api, definitions }, 'Api', options);
process.stdout.write(made.replaceAll(NOISE, '').replaceAll('/**\n */\n', ''));
