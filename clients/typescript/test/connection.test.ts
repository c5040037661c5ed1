import assert from "node:assert/strict";
import { test } from "node:test";
import { BadArgument, Client } from "@longshore/client";
import {
  checkAddress,
  checkCredentials,
  credentialsOf,
  defaultAddress,
} from "../src/connection.js";

const TCP = "host:7000";
const UNIX = "unix:/run/d.sock";

test("addresses are brought into one form", () => {
  const given = ["unix:/a", "unix:///a", "localhost:1", "[::1]:65535", "::1:80"];
  const checked = ["unix:/a", "unix:/a", "localhost:1", "[::1]:65535", "[::1]:80"];
  assert.deepEqual(given.map(checkAddress), checked);
});

test("what is no address is refused", () => {
  const wrong = [
    "",
    "unix:",
    "unix:a",
    "unix://a",
    "host",
    "host:",
    ":1",
    "h:0",
    "h:x",
  ];
  for (const address of [...wrong, "h:65536", "a b:1", "http://h:1"]) {
    assert.throws(() => checkAddress(address), BadArgument, address);
  }
});

test("without an address that of the environment is taken", () => {
  assert.equal(defaultAddress({ LONGSHORE_ADDRESS: "h:1" }, 1000), "h:1");
});

test("root's daemon listens in /run", () => {
  assert.equal(defaultAddress({}, 0), "unix:/run/longshore/longshored.sock");
});

test("a user's daemon listens in the runtime directory", () => {
  const there = defaultAddress({ XDG_RUNTIME_DIR: "/run/user/7" }, 7);
  assert.equal(there, "unix:/run/user/7/longshore/longshored.sock");
  assert.equal(
    defaultAddress({}, 7),
    "unix:/tmp/longshore-7/longshore/longshored.sock",
  );
});

test("the environment may say who we are", () => {
  const who = credentialsOf({ LONGSHORE_TLS_CA: "system", LONGSHORE_TOKEN_FILE: "/t" });
  assert.equal(who.tlsCa, "system");
  assert.equal(who.tokenFile, "/t");
  assert.equal(who.token, undefined);
});

test("credentials that make no sense are refused", () => {
  for (const who of [
    { tlsCa: "ca", tlsCert: "cert" },
    { tlsCa: "ca", tlsKey: "key" },
    { tlsCa: "ca", token: "a", tokenFile: "b" },
    { tlsCa: "ca", token: "two words" },
    { tlsCa: "ca", token: "" },
    { tlsCert: "cert", tlsKey: "key" },
    { tlsName: "name" },
    { token: "secret" },
    { tokenFile: "/t" },
  ]) {
    assert.throws(() => checkCredentials(who, TCP), BadArgument, JSON.stringify(who));
  }
});

test("a token goes over a unix socket and over TLS", () => {
  checkCredentials({ token: "secret" }, UNIX);
  checkCredentials({ token: "secret", tlsCa: "system" }, TCP);
});

test("a file that cannot be read is told at the first call", async () => {
  using client = new Client({ address: TCP, credentials: { tlsCa: "/no/such/file" } });
  await assert.rejects(client.capabilities(), BadArgument);
});
