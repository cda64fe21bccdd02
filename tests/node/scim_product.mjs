// A product that takes its users over SCIM: better-auth with its SCIM plugin, in memory. It has filters on userName and
// externalId alone, no bulk, no ETag, pages of at most a hundred, and answers a PATCH with the user.
//
// Usage: node scim_product.mjs ADDRESS PORT TOKEN

import http from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { getAuthTables } from "better-auth/db";
import { toNodeHandler } from "better-auth/node";
import { scim } from "@better-auth/scim";

const [address, port, token] = process.argv.slice(2);
const credentials = [{ type: "bearer", id: "tests", token }];
const options = {
  secret: "only-for-tests-".repeat(4),
  baseURL: `http://${address}:${port}`,
  plugins: [scim({ connections: [{ id: "seatsync", credentials }] })],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
};
const tables = Object.entries(getAuthTables(options)).map(([key, table]) => [table.modelName ?? key, []]);
const handler = toNodeHandler(betterAuth({ ...options, database: memoryAdapter(Object.fromEntries(tables)) }));

http
  .createServer((request, response) => {
    // As servers in Python write it, for the tests to count.
    console.log(`"${request.method} ${request.url} HTTP/1.1"`);
    handler(request, response);
  })
  .listen(Number(port), address);
