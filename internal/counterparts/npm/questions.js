// What the clients ask, in no dialect; each client says it in its own way.

// capital has an answer of one word that all know.
export const capital = { text: 'What is the capital of France? Answer with one word.' }

// count has an answer of 23 tokens that is always the same.
export const count = { text: 'Count from 1 to 12.' }

export const weather = { text: 'What is the weather in Paris and Tokyo right now? Use the tool.', tool: true }

// Tool is the one that is offered.
export const tool = {
  name: 'get_weather',
  description: 'Returns the weather of a city.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
    required: ['city', 'unit'],
    additionalProperties: false,
  },
}

export const results = ['18 degrees', '25 degrees']

// picture is a PNG of one red point.
export const redPoint = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'

export const picture = { text: 'What color is this picture? One word.', image: redPoint }

export const city = {
  text: 'What is the capital of Japan?',
  schema: {
    type: 'object',
    properties: { city: { type: 'string' }, country: { type: 'string' } },
    required: ['city', 'country'],
    additionalProperties: false,
  },
}

export const system = 'Be brief.'

// merged adds events to a list that holds no event twice in a row: how an
// answer is cut into pieces is nobody's promise.
export function note(events, ...names) {
  for (const name of names) if (events.at(-1) !== name) events.push(name)
}
