#include "group/regex.h"

#include "base/check.h"

enum kind { TAKE, SPLIT, JUMP, AT_BEGIN, AT_END, AT_WORD, AT_NO_WORD, MATCH };

/* ---- classes of bytes ---- */

static void class_add(struct regex_class *class, uint32_t from, uint32_t to)
{
    for (uint32_t byte = from; byte <= to && byte < 256; byte++) class->has[byte / 64] |= UINT64_C(1) << byte % 64;
}

static bool class_has(const struct regex_class *class, uint8_t byte)
{
    return (class->has[byte / 64] >> byte % 64 & 1) != 0;
}

static void class_turn(struct regex_class *class)
{
    for (uint32_t i = 0; i < 4; i++) class->has[i] = ~class->has[i];
}

static void class_merge(struct regex_class *class, const struct regex_class *other)
{
    for (uint32_t i = 0; i < 4; i++) class->has[i] |= other->has[i];
}

/* Each letter in both its forms. */
static void class_fold(struct regex_class *class)
{
    for (uint32_t letter = 'a'; letter <= 'z'; letter++) {
        const bool has = class_has(class, (uint8_t)letter) || class_has(class, (uint8_t)(letter - 32));
        if (!has) continue;
        class_add(class, letter, letter);
        class_add(class, letter - 32, letter - 32);
    }
}

/* Ranges, two letters for each. */
static struct regex_class class_of(const char *ranges)
{
    struct regex_class class = { 0 };

    for (; ranges[0] != 0; ranges += 2) class_add(&class, (uint8_t)ranges[0], (uint8_t)ranges[1]);
    return class;
}

/* \d and its like. False: there is none of that letter. */
static bool class_named(uint8_t letter, struct regex_class *class)
{
    switch (letter | 0x20) {
    case 'd': *class = class_of("09"); break;
    case 'w': *class = class_of("09AZaz__"); break;
    case 's': *class = class_of("\t\n\f\r  "); break;
    default: return false;
    }
    if (letter < 'a') class_turn(class);
    return true;
}

static const struct posix {
    const char *name, *ranges;
} posix_rows[] = {
    { "alnum", "09AZaz" },
    { "alpha", "AZaz" },
    { "ascii", "\x01\x7f" },
    { "blank", "\t\t  " },
    { "cntrl", "\x01\x1f\x7f\x7f" },
    { "digit", "09" },
    { "graph", "!~" },
    { "lower", "az" },
    { "print", " ~" },
    { "punct", "!/:@[`{~" },
    { "space", "\t\r  " },
    { "upper", "AZ" },
    { "word", "09AZaz__" },
    { "xdigit", "09AFaf" },
};

/* ---- reading ---- */

struct parser {
    struct regex *regex;
    const uint8_t *at, *end;
    uint32_t depth;
    bool folds; /* (?i) */
    bool wrong;
};

static bool is_next(const struct parser *parser, char letter)
{
    return parser->at < parser->end && *parser->at == (uint8_t)letter;
}

static bool take(struct parser *parser, char letter)
{
    if (!is_next(parser, letter)) return false;
    parser->at++;
    return true;
}

static bool take_word(struct parser *parser, const char *word)
{
    const uint8_t *at = parser->at;

    for (; *word != 0; word++, at++) {
        if (at == parser->end || *at != (uint8_t)*word) return false;
    }
    parser->at = at;
    return true;
}

/* ---- writing ---- */

/* Room for instructions at a place, before what is there. False: there is none. */
static bool insert(struct parser *parser, uint32_t at, uint32_t count)
{
    struct regex *regex = parser->regex;

    if (count > REGEX_CODE_MAX - regex->code_count) parser->wrong = true;
    if (parser->wrong) return false;
    memmove(&regex->code[at + count], &regex->code[at], (regex->code_count - at) * sizeof regex->code[0]);
    regex->code_count += count;
    return true;
}

static void emit(struct parser *parser, enum kind kind, int32_t first, int32_t second)
{
    const uint32_t at = parser->regex->code_count;

    if (!insert(parser, at, 1)) return;
    parser->regex->code[at] =
        (struct regex_instruction){ .kind = (uint8_t)kind, .jumps = { (int16_t)first, (int16_t)second } };
}

static void emit_class(struct parser *parser, const struct regex_class *class)
{
    struct regex *regex = parser->regex;
    struct regex_class wanted = *class;
    uint32_t number = 0;

    if (parser->folds) class_fold(&wanted);
    while (number < regex->class_count && memcmp(&regex->classes[number], &wanted, sizeof wanted) != 0) number++;
    if (number == REGEX_CLASSES_MAX) parser->wrong = true;
    emit(parser, TAKE, 1, 1);
    if (parser->wrong) return;
    if (number == regex->class_count) regex->classes[regex->class_count++] = wanted;
    regex->code[regex->code_count - 1].class_number = (uint8_t)number;
}

static void emit_byte(struct parser *parser, uint32_t byte)
{
    struct regex_class class = { 0 };

    class_add(&class, byte, byte);
    emit_class(parser, &class);
}

/* ---- escapes ---- */

static uint32_t hex_digit(uint8_t letter)
{
    if (letter >= '0' && letter <= '9') return letter - '0';
    letter |= 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10u : 16;
}

/* \x2d, \x{2d}. No topic has what is not ASCII: any byte of that stands for all. */
static uint32_t take_hex(struct parser *parser)
{
    const bool braced = take(parser, '{');
    uint32_t value = 0, digits = 0;

    while (parser->at < parser->end && digits < (braced ? 6 : 2) && hex_digit(*parser->at) < 16) {
        value = value * 16 + hex_digit(*parser->at++);
        digits++;
    }
    if (digits == 0 || (!braced && digits != 2) || (braced && !take(parser, '}'))) parser->wrong = true;
    return MIN(value, 0x80u);
}

/* Behind a backslash: a byte that is meant. */
static uint32_t take_escaped(struct parser *parser)
{
    static const char letters[] = "afnrtv", bytes[] = "\a\f\n\r\t\v";

    if (parser->at == parser->end) {
        parser->wrong = true;
        return 0;
    }
    const uint8_t letter = *parser->at++;
    if (letter == 'x') return take_hex(parser);
    for (uint32_t i = 0; letters[i] != 0; i++) {
        if (letter == (uint8_t)letters[i]) return (uint8_t)bytes[i];
    }
    const bool is_word = (letter >= '0' && letter <= '9') || ((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z');
    if (is_word) parser->wrong = true; /* a reference, or nothing at all */
    return letter;
}

/* ---- [classes] ---- */

static bool take_posix(struct parser *parser, struct regex_class *class)
{
    const struct parser before = *parser;

    if (!take_word(parser, "[:")) return false;
    const bool turned = take(parser, '^');
    for (uint32_t i = 0; i < sizeof posix_rows / sizeof posix_rows[0]; i++) {
        const uint8_t *at = parser->at;
        if (take_word(parser, posix_rows[i].name) && take_word(parser, ":]")) {
            struct regex_class named = class_of(posix_rows[i].ranges);
            if (turned) class_turn(&named);
            class_merge(class, &named);
            return true;
        }
        parser->at = at;
    }
    *parser = before;
    parser->wrong = true;
    return false;
}

static uint32_t take_class_byte(struct parser *parser)
{
    if (parser->at == parser->end) {
        parser->wrong = true;
        return 0;
    }
    if (take(parser, '\\')) return take_escaped(parser);
    return *parser->at++;
}

static void take_class(struct parser *parser)
{
    struct regex_class class = { 0 }, named;
    const bool turned = take(parser, '^');

    for (bool first = true; !parser->wrong && (first || !is_next(parser, ']')); first = false) {
        if (take_posix(parser, &class)) continue;
        if (is_next(parser, '\\') && parser->at + 1 < parser->end && class_named(parser->at[1], &named)) {
            parser->at += 2;
            class_merge(&class, &named);
            continue;
        }
        const uint32_t from = take_class_byte(parser);
        uint32_t to = from;
        if (is_next(parser, '-') && parser->at + 1 < parser->end && parser->at[1] != ']') {
            parser->at++;
            to = take_class_byte(parser);
        }
        if (from > to) parser->wrong = true;
        else class_add(&class, from, to);
    }
    if (!take(parser, ']')) parser->wrong = true;
    if (parser->folds) class_fold(&class); /* before it is turned: [^a] takes no A either */
    if (turned) class_turn(&class);
    emit_class(parser, &class);
}

/* ---- atoms ---- */

static void take_alternatives(struct parser *parser);

static void take_flags(struct parser *parser)
{
    bool on = true;

    while (parser->at < parser->end && !is_next(parser, ')') && !is_next(parser, ':')) {
        const uint8_t letter = *parser->at++;
        if (letter == '-') on = false;
        else if (letter == 'i') parser->folds = on;
        else if (letter != 'm' && letter != 's' && letter != 'U') parser->wrong = true; /* lines, greed: all the same */
    }
}

static void take_name(struct parser *parser)
{
    while (parser->at < parser->end && !is_next(parser, '>')) parser->at++;
    if (!take(parser, '>')) parser->wrong = true;
}

static void take_group(struct parser *parser)
{
    const bool folded = parser->folds;

    if (take(parser, '?')) {
        if (take_word(parser, "P<") || (is_next(parser, '<') && parser->at + 1 < parser->end && parser->at[1] != '=' &&
                                        parser->at[1] != '!' && take(parser, '<'))) {
            take_name(parser);
        } else {
            take_flags(parser);
            if (take(parser, ')')) return; /* for what follows */
            if (!take(parser, ':')) parser->wrong = true;
        }
    }
    if (++parser->depth > REGEX_DEPTH_MAX) parser->wrong = true;
    else take_alternatives(parser);
    parser->depth--;
    parser->folds = folded;
    if (!take(parser, ')')) parser->wrong = true;
}

static void take_quoted(struct parser *parser)
{
    while (parser->at < parser->end && !take_word(parser, "\\E")) emit_byte(parser, *parser->at++);
}

static void take_backslash(struct parser *parser)
{
    struct regex_class named;

    if (parser->at < parser->end && class_named(*parser->at, &named)) {
        parser->at++;
        emit_class(parser, &named);
    } else if (take(parser, 'b')) {
        emit(parser, AT_WORD, 1, 1);
    } else if (take(parser, 'B')) {
        emit(parser, AT_NO_WORD, 1, 1);
    } else if (take(parser, 'A')) {
        emit(parser, AT_BEGIN, 1, 1);
    } else if (take(parser, 'z')) {
        emit(parser, AT_END, 1, 1);
    } else if (take(parser, 'Q')) {
        take_quoted(parser);
    } else {
        emit_byte(parser, take_escaped(parser));
    }
}

static void take_atom(struct parser *parser)
{
    static const struct regex_class newline = { { UINT64_C(1) << '\n' } };
    struct regex_class any = newline;
    const uint8_t letter = *parser->at++;

    switch (letter) {
    case '.':
        class_turn(&any);
        emit_class(parser, &any);
        break;
    case '[': take_class(parser); break;
    case '(': take_group(parser); break;
    case '\\': take_backslash(parser); break;
    case '^': emit(parser, AT_BEGIN, 1, 1); break;
    case '$': emit(parser, AT_END, 1, 1); break;
    case '*':
    case '+':
    case '?': parser->wrong = true; break; /* of nothing */
    default:
        emit_byte(parser, letter);
        /* A letter of several bytes is one atom. */
        while (letter >= 0xc0 && parser->at < parser->end && (*parser->at & 0xc0) == 0x80) {
            emit_byte(parser, *parser->at++);
        }
        break;
    }
}

/* ---- repetition ---- */

struct repeat {
    uint32_t min, max; /* UINT32_MAX: any number */
};

static bool take_number(struct parser *parser, uint32_t *number)
{
    const uint8_t *begin = parser->at;

    *number = 0;
    while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9' && parser->at - begin < 6) {
        *number = *number * 10 + *parser->at++ - '0';
    }
    return parser->at > begin;
}

/* {n}, {n,}, {n,m}; what only looks like it stands for itself. */
static bool take_braces(struct parser *parser, struct repeat *repeat)
{
    const uint8_t *begin = parser->at;
    bool valid = take(parser, '{') && take_number(parser, &repeat->min);

    repeat->max = repeat->min;
    if (valid && take(parser, ',') && !take_number(parser, &repeat->max)) repeat->max = UINT32_MAX;
    valid = valid && take(parser, '}');
    if (!valid) {
        parser->at = begin;
        return false;
    }
    const uint32_t top = repeat->max == UINT32_MAX ? repeat->min : repeat->max;
    if (top > REGEX_REPEAT_MAX || repeat->min > top) parser->wrong = true;
    return true;
}

static bool take_repeat(struct parser *parser, struct repeat *repeat)
{
    if (take(parser, '*')) *repeat = (struct repeat){ 0, UINT32_MAX };
    else if (take(parser, '+')) *repeat = (struct repeat){ 1, UINT32_MAX };
    else if (take(parser, '?')) *repeat = (struct repeat){ 0, 1 };
    else if (!take_braces(parser, repeat)) return false;
    take(parser, '?'); /* lazy: it matches the same */
    return true;
}

/* Once more what lies at `from`. */
static void copy(struct parser *parser, const struct regex_instruction *atom, uint32_t count)
{
    const uint32_t at = parser->regex->code_count;

    if (insert(parser, at, count)) memcpy(&parser->regex->code[at], atom, count * sizeof *atom);
}

/* What was written from `from` on is to come so many times. */
static void apply_repeat(struct parser *parser, uint32_t from, const struct repeat *repeat)
{
    struct regex *regex = parser->regex;
    const uint32_t count = regex->code_count - from;
    struct regex_instruction atom[REGEX_CODE_MAX];
    const int32_t size = (int32_t)count;

    if (count == 0 || parser->wrong) return;
    memcpy(atom, &regex->code[from], count * sizeof atom[0]);
    regex->code_count = from;
    for (uint32_t i = 0; i < repeat->min; i++) copy(parser, atom, count);
    if (repeat->max == UINT32_MAX) {
        emit(parser, SPLIT, 1, size + 2);
        copy(parser, atom, count);
        emit(parser, JUMP, -size - 1, -size - 1);
        return;
    }
    /* Each may be the last: then all that are left are jumped over, one after the other. */
    for (uint32_t i = repeat->min; i < repeat->max; i++) {
        emit(parser, SPLIT, 1, size + 1);
        copy(parser, atom, count);
    }
}

static void take_sequence(struct parser *parser)
{
    struct repeat repeat;

    while (!parser->wrong && parser->at < parser->end && !is_next(parser, '|') && !is_next(parser, ')')) {
        const uint32_t from = parser->regex->code_count;
        take_atom(parser);
        if (parser->wrong || !take_repeat(parser, &repeat)) continue;
        apply_repeat(parser, from, &repeat);
        if (take_repeat(parser, &repeat)) parser->wrong = true; /* of a repetition */
    }
}

static void take_alternatives(struct parser *parser)
{
    struct regex *regex = parser->regex;
    const uint32_t from = regex->code_count;

    take_sequence(parser);
    while (!parser->wrong && take(parser, '|')) {
        const uint32_t size = regex->code_count - from;
        if (!insert(parser, from, 1)) return;
        regex->code[from] = (struct regex_instruction){ .kind = SPLIT, .jumps = { 1, (int16_t)(size + 2) } };
        const uint32_t jump = regex->code_count;
        emit(parser, JUMP, 0, 0);
        take_sequence(parser);
        if (parser->wrong) return;
        regex->code[jump].jumps[0] = regex->code[jump].jumps[1] = (int16_t)(regex->code_count - jump);
    }
}

bool regex_compile(struct regex *regex, struct bytes text)
{
    struct parser parser = { .regex = regex, .at = text.data, .end = text.data + text.size };

    regex->code_count = regex->class_count = 0;
    if (text.size > REGEX_SIZE_MAX) return false;
    take_alternatives(&parser);
    if (parser.at < parser.end) parser.wrong = true; /* a bracket that was never opened */
    emit(&parser, MATCH, 0, 0);
    return !parser.wrong;
}

/* ---- the machine ---- */

struct states {
    uint32_t count;
    uint16_t list[REGEX_CODE_MAX];
    uint16_t place[REGEX_CODE_MAX]; /* where in the list, if that says the same */
};

struct machine {
    const struct regex *regex;
    struct bytes text;
    uint32_t at;
    struct states states[2];
    uint16_t stack[2 * REGEX_CODE_MAX + 2];
};

static bool is_word_at(const struct machine *machine, uint32_t at)
{
    struct regex_class word = class_of("09AZaz__");

    return at < machine->text.size && class_has(&word, machine->text.data[at]);
}

static bool holds(const struct machine *machine, enum kind kind)
{
    const uint32_t at = machine->at;
    const bool word_ends = (at > 0 && is_word_at(machine, at - 1)) != is_word_at(machine, at);

    switch (kind) {
    case AT_BEGIN: return at == 0;
    case AT_END: return at == machine->text.size;
    case AT_WORD: return word_ends;
    case AT_NO_WORD: return !word_ends;
    case TAKE:
    case SPLIT:
    case JUMP:
    case MATCH: break;
    }
    return false;
}

/* The state, and all that can be reached from it without a byte. */
static void enter(struct machine *machine, struct states *states, uint32_t state)
{
    uint32_t depth = 0;

    machine->stack[depth++] = (uint16_t)state;
    while (depth > 0) {
        const uint16_t at = machine->stack[--depth];
        const struct regex_instruction *code = &machine->regex->code[at];
        if (states->place[at] < states->count && states->list[states->place[at]] == at) continue;
        states->place[at] = (uint16_t)states->count;
        states->list[states->count++] = at;
        if (code->kind == TAKE || code->kind == MATCH) continue;
        if (code->kind != SPLIT && code->kind != JUMP && !holds(machine, (enum kind)code->kind)) continue;
        machine->stack[depth++] = (uint16_t)(at + code->jumps[0]);
        if (code->kind == SPLIT) machine->stack[depth++] = (uint16_t)(at + code->jumps[1]);
    }
}

bool regex_matches(const struct regex *regex, struct bytes text)
{
    struct machine machine = { .regex = regex, .text = text };
    struct states *now = &machine.states[0], *then = &machine.states[1];

    enter(&machine, now, 0);
    for (uint32_t i = 0; i < text.size && now->count > 0; i++) {
        machine.at = i + 1;
        then->count = 0;
        for (uint32_t j = 0; j < now->count; j++) {
            const struct regex_instruction *code = &regex->code[now->list[j]];
            if (code->kind != TAKE || !class_has(&regex->classes[code->class_number], text.data[i])) continue;
            enter(&machine, then, now->list[j] + 1u);
        }
        struct states *swapped = now;
        now = then;
        then = swapped;
    }
    for (uint32_t j = 0; j < now->count; j++) {
        if (regex->code[now->list[j]].kind == MATCH) return true;
    }
    return false;
}
