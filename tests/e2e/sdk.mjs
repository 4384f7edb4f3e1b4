// The official Node SDK against the proxy: one check a line, "ok NAME" or "not ok NAME: why".
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_PATH + "/");
const { default: OpenAI } = await import(require.resolve("openai"));
const { BASE_URL: baseURL, KEY: apiKey, SIM } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30000 });
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const say = (content) => [{ role: "user", content }];
const assert = (true_, what) => {
  if (!true_) throw new Error(what);
};
const order = async (fields) => {
  await fetch(SIM + "/_sim/orders", { method: "POST", body: JSON.stringify({ vendor: "*", ...fields }) });
};
const raises = async (kind, what) => {
  try {
    await what();
  } catch (error) {
    assert(error instanceof kind, `${error.constructor.name}: ${error.message}`);
    return error;
  }
  throw new Error("nothing was raised");
};

const checks = {
  async "a chat is answered"() {
    const { data, response } = await client.chat.completions
      .create({ model: "chat", messages: say("hello") }).withResponse();
    assert(data.choices[0].message.content, "no content");
    assert(response.headers.get("x-bijia-cost").startsWith("CNY "), "no cost");
  },
  async "a stream comes in pieces"() {
    let n = 0;
    let reason;
    const stream = await client.chat.completions.create({ model: "chat", messages: say("你好"), stream: true });
    for await (const chunk of stream) {
      n += chunk.choices[0]?.delta?.content ? 1 : 0;
      reason = chunk.choices[0]?.finish_reason ?? reason;
    }
    assert(n > 3 && reason === "stop", `${n} pieces, ${reason}`);
  },
  async "the stream helper puts tool calls together"() {
    const runner = client.chat.completions.stream({
      model: "chat", messages: say("Paris and Rome, both please"), tools: [weather],
    });
    const done = await runner.finalChatCompletion();
    const calls = done.choices[0].message.tool_calls;
    assert(calls.length === 2, `${calls.length} calls`);
    calls.forEach((call) => JSON.parse(call.function.arguments));
  },
  async "structured output is parsed"() {
    const schema = {
      type: "object", properties: { name: { type: "string" } }, required: ["name"], additionalProperties: false,
    };
    const done = await client.chat.completions.create({
      model: "openai/gpt-6-luna", messages: say("Who?"),
      response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema } },
    });
    assert(typeof JSON.parse(done.choices[0].message.content).name === "string", "no name");
  },
  async "aborting in mid-stream ends it"() {
    await order({ tokens: 2000, chunk_ms: 5, times: 1 });
    const stream = await client.chat.completions.create({ model: "chat", messages: say("long"), stream: true });
    let n = 0;
    for await (const chunk of stream) {
      if (chunk && ++n === 5) stream.controller.abort();
    }
    assert(n >= 5, "ended early");
  },
  async "a wrong key raises AuthenticationError"() {
    const other = new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 });
    const error = await raises(OpenAI.AuthenticationError, () =>
      other.chat.completions.create({ model: "chat", messages: say("hello") }));
    assert(error.code === "invalid_api_key", error.code);
  },
  async "an unknown model raises NotFoundError"() {
    await raises(OpenAI.NotFoundError, () =>
      client.chat.completions.create({ model: "no-such-model", messages: say("hello") }));
  },
  async "a bad field raises BadRequestError with its name"() {
    const error = await raises(OpenAI.BadRequestError, () =>
      client.chat.completions.create({ model: "chat", messages: "hello" }));
    assert(error.param === "messages", error.param);
  },
  async "a cut stream raises"() {
    await order({ tokens: 50, cut_after_events: 10, times: 1 });
    await raises(Error, async () => {
      const stream = await client.chat.completions.create({ model: "chat", messages: say("hello"), stream: true });
      for await (const chunk of stream) void chunk;
    });
  },
  async "rate limits everywhere raise RateLimitError"() {
    await order({ error_class: "rate_limit", retry_after: 1 });
    await raises(OpenAI.RateLimitError, () =>
      client.chat.completions.create({ model: "chat", messages: say("hello") }));
  },
};

for (const [name, run] of Object.entries(checks)) {
  try {
    await run();
    console.log("ok " + name);
  } catch (error) {
    console.log(`not ok ${name}: ${error.stack}`);
  }
}
