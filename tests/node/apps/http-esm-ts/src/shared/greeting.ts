export interface Greeting {
    text: string;
}

export async function loadGreeting(): Promise<Greeting> {
    return { text: 'Hello' };
}

export function fail(name: string): never {
    const lines: string[] = [
        'These lines are here',
        'so that the lines of the compiled file differ.',
    ];
    throw new RangeError(`no greeting for ${name} (${lines.length})`);
}
