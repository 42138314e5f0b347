//! The one door: ./zigw build [STEP] [-Doption] [-- ARGS]. CONTRIBUTING.md says how to add a test, a fuzz target, a
//! library. Directories are read on every run, so a new file needs no line here.
const std = @import("std");
const Build = std.Build;
const LazyPath = Build.LazyPath;
const Run = Build.Step.Run;
const Strings = []const []const u8;

comptime {
    const pinned = "0.16.0"; // Keep equal to zigw.
    if (!std.mem.eql(u8, @import("builtin").zig_version_string, pinned))
        @compileError("this build needs Zig " ++ pinned ++ ": run ./zigw");
}

/// undefined and thread come with Zig; address, memory and fuzzer use the system's clang and its runtime.
const Sanitize = enum { none, undefined, thread, address, memory, fuzzer, coverage };

// Hosted and yet without a C library's headers: -ffreestanding would turn every memcpy of four bytes into a call.
const c_flags = [_][]const u8{
    "-std=c17",                        "-Wall",                "-Wextra",         "-Wshadow",
    "-Wvla",                           "-Wundef",              "-Wpointer-arith", "-Wstrict-prototypes",
    "-Wno-missing-field-initializers", "-Wmissing-prototypes",
};
const host_flags = c_flags ++ [_][]const u8{"-D_GNU_SOURCE"};
/// Only Zig's version is fixed, so only here may a warning stop the build (and Zig hides those that do not).
const zig_flags = [_][]const u8{"-Werror"};

/// A part is built once for a variant and linked by whoever needs it. main.c of a part is a program, not part of it.
const Part = enum {
    core,
    codecs, // core's compression wrappers, the only ones of core that see a C library
    canonical, // canonical/raft behind the doors of core/raft/raft.h; none where the library is not to be had
    runtime,
    sim,
    helpers, // what tests share: tests/t.c with main(), and every other tests/*.c that is no test itself

    fn libraries(part: Part) Strings {
        return switch (part) {
            .core => &.{"isal"},
            .sim, .helpers, .canonical => &.{},
            .codecs => &.{ "zstd", "lz4", "snappy", "z" },
            .runtime => &.{ "uv", "http_parser", "jansson" },
        };
    }
};

/// What a program that includes this is linked with, beside what all of its kind are.
const Need = struct {
    include: []const u8,
    part: ?Part = null,
    library: ?[]const u8 = null,
    header: ?[]const u8 = null,
};
const needs = [_]Need{
    .{ .include = "#include \"runtime/", .part = .runtime },
    .{ .include = "#include \"sim/", .part = .sim },
    .{ .include = "#include \"raft/canonical/", .part = .canonical },
    .{ .include = "#include <uv.h>", .library = "uv" },
    .{ .include = "#include <pthread.h>", .library = "pthread" },
    // Where the header is not to be had, the program is left out.
    .{ .include = "#include <librdkafka/", .library = "rdkafka", .header = "/usr/include/librdkafka/rdkafka.h" },
};

pub fn build(b: *Build) void {
    const sanitize = b.option(Sanitize, "sanitize", "Sanitizer of the products and of the tests (none)") orelse .none;
    const optimize = b.option(std.builtin.OptimizeMode, "optimize", "Products: ReleaseFast; tests: Debug");
    const seeds = b.option(u32, "seeds", "Simulator seeds in `test` (200)") orelse 200;
    const fuzz_time = b.option(u32, "fuzz-time", "Seconds per target in `fuzz` (60)") orelse 60;
    fuzz_mutant = b.option([]const u8, "fuzz-mutant", "A known bug for `fuzz -- faults` to find (none)") orelse "";
    const engine = b.option(Engine, "raft", "Raft engine of the products (ours)") orelse .ours;
    const args: Strings = b.args orelse &.{};
    // Without a fixed CPU a build would use this machine's and crash on an older one.
    const target = b.standardTargetOptions(.{ .default_target = .{ .cpu_model = .baseline } });

    libraft = findLibraft(b);
    raft_engine = engine;
    if (engine == .canonical and libraft == null) @panic("-Draft=canonical needs libraft-dev 0.15");
    const p: Project = .init(b, target, .{ .optimize = optimize orelse .ReleaseFast, .sanitize = sanitize });
    const checked: Project = p.with(.{ .optimize = optimize orelse .Debug, .sanitize = sanitize });

    const server = p.program("runtime", "chronik-server", .runtime);
    const sim = p.program("sim", "chronik-sim", .sim);
    p.install(server, "bin/chronik-server");
    p.install(sim, "bin/chronik-sim");
    if (p.generated) |dir| b.getInstallStep().dependOn(&b.addInstallDirectory(.{
        .source_dir = dir,
        .install_dir = .prefix,
        .install_subdir = "include",
    }).step);
    const commands = b.addUpdateSourceFiles();
    commands.addBytesToSource(p.compileCommands(), "compile_commands.json");
    b.getInstallStep().dependOn(&commands.step);
    b.step("cdb", "Write compile_commands.json (so does a plain build)").dependOn(&commands.step);

    p.command("run", "Start a node: run -- start --data-dir D", server, if (args.len > 0) args else &.{"start"});
    p.command("sim", "One simulated run: sim -- --seed 42", sim, args);
    const hunt: Strings = if (args.len > 0) args else &.{ "--seeds", "1..1000", "--jobs", p.cpus() };
    p.command("seeds", "A long hunt: seeds -- --seeds 1..100000 --jobs 8", sim, hunt);
    const many: Strings = &.{ "--profile", "scale", "--seed", "1" };
    p.command("scale", "A cluster of a thousand simulated nodes: scale", sim, if (args.len > 0) args else many);
    const mutants = p.with(.{ .optimize = p.v.optimize, .mutants = true }).program("sim", "chronik-sim-mutants", .sim);
    p.install(mutants, "bin/chronik-sim-mutants");
    const bench: []const Strings = if (args.len > 0) &.{args} else &.{
        &.{ "--mutants", "--jobs", p.cpus() },
        &.{ "--raft", "ours", "--mutants" },
    };
    p.commands("mutants", "The mutation bench: every known bug must be caught", mutants, bench);
    p.bench(b.step("bench", "Throughput, latency, memory; always ReleaseFast"), args);
    p.soak(b.step("soak", "Faults on a real cluster under load: soak -- MINUTES"), args);
    p.fuzz(b.step("fuzz", "Fuzz for -Dfuzz-time seconds each: fuzz -- TARGET [libFuzzer options]"), fuzz_time, args);
    const fmt = b.addSystemCommand(&.{ "sh", "tests/lint/format.sh", "--fix", b.graph.zig_exe });
    fmt.setCwd(b.path("."));
    b.step("fmt", "Format all sources").dependOn(&fmt.step);

    var lint: Suite = .init(p, args);
    lint.lint(server, mutants);
    b.step("lint", "What a machine can say about the text and the shape").dependOn(&lint.run.step);
    var determinism: Suite = .init(p, args);
    determinism.digests();
    b.step("determinism", "One seed, one digest: whatever the compiler").dependOn(&determinism.run.step);

    var all: Suite = .init(p, args);
    all.lint(server, mutants);
    all.unitTests(checked);
    if (sanitize == .none) all.unitTests(p.with(.{ .optimize = .Debug, .sanitize = .address }));
    all.script("zigw: who is asked for Zig and packages", 120, .together, &.{ "sh", "tests/suite/zigw.sh" });
    all.testedMutants(p.with(.{ .optimize = p.v.optimize, .mutants = true }));
    all.fuzzTargets();
    all.simulator(sim, mutants, seeds);
    all.digests();
    all.clients();
    b.step("test", "Everything that CI runs: test -- SUBSTRING picks by name").dependOn(&all.run.step);
}

const Engine = enum { ours, canonical };

/// canonical/raft's archive, its names out of the way of ours; null: not to be had here.
var fuzz_mutant: []const u8 = "";
var libraft: ?LazyPath = null;
var raft_engine: Engine = .ours;

/// What both engines are made of. The rest of core/raft is ours alone.
const shared_by_engines = [_][]const u8{ "configuration.c", "message.c", "trail.c" };

/// Debian's libraft-dev, 0.15: the adapter reaches into its structures, so another version will not do.
fn findLibraft(b: *Build) ?LazyPath {
    const io = b.graph.io;
    std.Io.Dir.accessAbsolute(io, "/usr/include/raft.h", .{}) catch return null;
    const dirs = [_][]const u8{ "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib" };
    for (dirs) |dir| {
        const archive = b.fmt("{s}/libraft.a", .{dir});
        std.Io.Dir.accessAbsolute(io, archive, .{}) catch continue;
        const about = b.build_root.handle.readFileAlloc(
            io,
            b.fmt("{s}/pkgconfig/raft.pc", .{dir}),
            b.allocator,
            .limited(1 << 16),
        ) catch continue;
        var lines = std.mem.tokenizeScalar(u8, about, '\n');
        const right = while (lines.next()) |line| {
            if (!std.mem.startsWith(u8, line, "Version:")) continue;
            break std.mem.startsWith(u8, std.mem.trim(u8, line["Version:".len..], " "), "0.15.");
        } else false;
        if (!right) continue;
        for ([_][]const u8{ "nm", "objcopy" }) |tool| _ = b.findProgram(&.{tool}, &.{}) catch return null;
        const run = b.addSystemCommand(&.{"sh"});
        run.addFileArg(b.path("core/raft/canonical/library.sh"));
        run.addFileArg(.{ .cwd_relative = archive });
        return run.addOutputFileArg("libcanonical_raft.a");
    }
    return null;
}

const Source = struct { path: LazyPath, name: []const u8, flags: Strings };

const Variant = struct {
    tool: enum { zig, gcc, clang } = .zig,
    optimize: std.builtin.OptimizeMode,
    sanitize: Sanitize = .none,
    mutants: bool = false,

    fn usesZig(v: Variant) bool {
        return v.tool == .zig and switch (v.sanitize) {
            .none, .undefined, .thread => true,
            .address, .memory, .fuzzer, .coverage => false,
        };
    }

    fn describe(v: Variant, b: *Build) []const u8 {
        const tool = if (v.usesZig()) "zig" else if (v.tool == .gcc) "gcc" else "clang";
        if (v.sanitize != .none) return b.fmt("{s} {t}", .{ tool, v.sanitize });
        return b.fmt("{s} {t}", .{ tool, v.optimize });
    }
};

/// What was asked for once is the same step when it is asked for again.
var known_projects: std.ArrayList(Project) = .empty;
var known_programs: std.StringHashMapUnmanaged(LazyPath) = .empty;

/// All of the repository, in one variant.
const Project = struct {
    b: *Build,
    target: Build.ResolvedTarget,
    v: Variant,
    generated: ?LazyPath,
    archives: std.EnumArray(Part, ?LazyPath),

    fn init(b: *Build, target: Build.ResolvedTarget, v: Variant) Project {
        var p: Project = .{ .b = b, .target = target, .v = v, .generated = null, .archives = .initFill(null) };
        p.generated = p.generate();
        for (std.enums.values(Part)) |part| {
            const sources = p.partSources(part);
            if (sources.len > 0) p.archives.set(part, p.archive(@tagName(part), sources, part != .core));
        }
        known_projects.append(b.allocator, p) catch @panic("OOM");
        return p;
    }

    fn with(p: Project, v: Variant) Project {
        for (known_projects.items) |known| if (std.meta.eql(v, known.v)) return known;
        return .init(p.b, p.target, v);
    }

    /// codec/messages.[ch] from the schemas: one directory, which is an include directory.
    fn generate(p: Project) ?LazyPath {
        const dir = "core/codec/schema";
        if (!p.exists(dir ++ "/generate.c")) return null;
        const run = Run.create(p.b, "generate codec/messages");
        run.addFileArg(p.tool("generate", p.others(dir, "-")));
        const out = run.addOutputDirectoryArg("generated");
        for (p.list(dir, "", ".schema")) |f| run.addFileArg(p.b.path(p.join(dir, f)));
        return out;
    }

    fn partSources(p: Project, part: Part) []const Source {
        var all: std.ArrayList(Source) = .empty;
        switch (part) {
            .core => {
                p.addSources(&all, "core", "");
                for (p.directories("core")) |room| {
                    const engine = std.mem.eql(u8, room, "raft") and raft_engine == .canonical;
                    if (!engine) p.addSources(&all, p.join("core", room), "");
                    if (engine) for (shared_by_engines) |f| p.append(&all, p.source(p.join("core/raft", f)));
                }
                if (p.generated) |dir| p.append(&all, .{
                    .path = dir.path(p.b, "codec/messages.c"),
                    .name = "codec_messages",
                    .flags = &c_flags,
                });
            },
            .codecs => p.addSources(&all, "core/codec/external", ""),
            .canonical => if (libraft != null)
                p.addSources(&all, "core/raft/canonical", if (raft_engine == .ours) "seam.c" else ""),
            .runtime, .sim => {
                p.addSources(&all, @tagName(part), "main.c");
                for (p.directories(@tagName(part))) |room| p.addSources(&all, p.join(@tagName(part), room), "");
                if (part == .sim) p.append(&all, .{ .path = p.page(), .name = "timeline_page", .flags = &host_flags });
            },
            .helpers => for (p.others("tests", "test_")) |f| p.append(&all, p.source(f)),
        }
        return all.items;
    }

    /// sim/timeline.html as bytes: a page that the simulator puts a run into.
    fn page(p: Project) LazyPath {
        const b = p.b;
        const root = b.build_root.handle;
        const text = root.readFileAlloc(b.graph.io, "sim/timeline.html", b.allocator, .limited(1 << 20)) catch
            @panic("sim/timeline.html");
        var out: std.Io.Writer.Allocating = .init(b.allocator);
        out.writer.writeAll("#include \"sim/timeline_page.h\"\nconst char timeline_page[] = {") catch @panic("OOM");
        for (text) |byte| out.writer.print("{d},", .{byte}) catch @panic("OOM");
        out.writer.writeAll("0};\n") catch @panic("OOM");
        return b.addWriteFiles().add("timeline_page.c", out.written());
    }

    fn addSources(p: Project, all: *std.ArrayList(Source), dir: []const u8, except: []const u8) void {
        for (p.list(dir, "", ".c")) |f| if (!std.mem.eql(u8, f, except)) p.append(all, p.source(p.join(dir, f)));
    }

    fn append(p: Project, all: *std.ArrayList(Source), s: Source) void {
        all.append(p.b.allocator, s) catch @panic("OOM");
    }

    fn source(p: Project, path: []const u8) Source {
        const name = p.b.dupe(path[0 .. path.len - 2]);
        std.mem.replaceScalar(u8, name, '/', '_');
        return .{ .path = p.b.path(path), .name = name, .flags = flagsOf(path) };
    }

    fn archive(p: Project, name: []const u8, sources: []const Source, libc: bool) LazyPath {
        if (p.v.usesZig()) {
            const m = p.module(libc);
            p.compile(m, sources);
            return p.b.addLibrary(.{ .name = name, .root_module = m }).getEmittedBin();
        }
        const run = p.b.addSystemCommand(&.{ "ar", "qcs" });
        const out = run.addOutputFileArg(p.b.fmt("lib{s}.a", .{name}));
        for (sources) |s| run.addFileArg(p.object(s));
        return out;
    }

    fn module(p: Project, libc: bool) *Build.Module {
        const m = p.b.createModule(.{
            .target = p.target,
            .optimize = p.v.optimize,
            .link_libc = libc,
            .sanitize_c = if (p.v.sanitize == .undefined) .full else null,
            .sanitize_thread = p.v.sanitize == .thread,
            .omit_frame_pointer = false,
            .pic = true,
        });
        for (p.includes()) |i| m.addIncludePath(i);
        if (p.v.mutants) m.addCMacro("CHRONIK_MUTANTS", "1");
        return m;
    }

    fn includes(p: Project) []const LazyPath {
        const b = p.b;
        const fixed = [_]LazyPath{ b.path("core"), b.path("tests"), b.path(".") };
        const all = b.allocator.dupe(LazyPath, &(fixed ++ .{b.path("core")})) catch @panic("OOM");
        if (p.generated) |dir| all[fixed.len] = dir;
        return all;
    }

    fn compile(p: Project, m: *Build.Module, sources: []const Source) void {
        for (sources) |s| m.addCSourceFile(.{
            .file = s.path,
            .flags = std.mem.concat(p.b.allocator, []const u8, &.{ s.flags, &zig_flags }) catch @panic("OOM"),
        });
    }

    /// One object by the system's compiler.
    fn object(p: Project, s: Source) LazyPath {
        const run = Run.create(p.b, p.b.fmt("{s} {s}", .{ p.v.describe(p.b), s.name }));
        p.addCompiler(run);
        run.addArgs(s.flags);
        if (p.v.mutants) run.addArg("-DCHRONIK_MUTANTS=1");
        for (p.includes()) |i| run.addPrefixedDirectoryArg("-I", i);
        run.addArgs(&.{ "-c", "-MD" });
        _ = run.addPrefixedDepFileOutputArg("-MF", p.b.fmt("{s}.d", .{s.name}));
        const out = run.addPrefixedOutputFileArg("-o", p.b.fmt("{s}.o", .{s.name}));
        run.addFileArg(s.path);
        _ = run.captureStdErr(.{}); // Its version is not ours to choose: warnings are Zig's to raise.
        return out;
    }

    fn addCompiler(p: Project, run: *Run) void {
        // As a file argument the compiler itself is part of the cache's key.
        const name = if (p.v.tool == .gcc) "gcc" else "clang";
        run.addFileArg(.{ .cwd_relative = p.b.findProgram(&.{name}, &.{}) catch name });
        run.addArgs(&.{ "-g", "-fno-omit-frame-pointer", "-fPIC" });
        const slow = p.v.sanitize != .none and p.v.sanitize != .coverage;
        run.addArg(if (slow) "-O1" else if (p.v.optimize == .Debug) "-O0" else "-O2");
        run.addArgs(switch (p.v.sanitize) {
            .address => &.{ "-fsanitize=address,undefined", "-fno-sanitize-recover=all" },
            .memory => &.{"-fsanitize=memory"},
            .fuzzer => &.{ "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all" },
            .coverage => &.{"-fsanitize=fuzzer"},
            .none, .undefined, .thread => &.{},
        });
    }

    fn executable(p: Project, name: []const u8, sources: []const Source, given: []const Part, extra: Strings) LazyPath {
        var libraries: std.ArrayList([]const u8) = .empty;
        const parts = p.withEngines(given);
        for (parts) |part| if (p.archives.get(part) != null)
            libraries.appendSlice(p.b.allocator, part.libraries()) catch @panic("OOM");
        libraries.appendSlice(p.b.allocator, extra) catch @panic("OOM");
        if (p.v.usesZig()) {
            const m = p.module(true);
            p.compile(m, sources);
            for (parts) |part| if (p.archives.get(part)) |a| m.addObjectFile(a);
            if (std.mem.indexOfScalar(Part, parts, .canonical) != null) m.addObjectFile(libraft.?);
            for (libraries.items) |l| m.linkSystemLibrary(l, .{});
            const e = p.b.addExecutable(.{ .name = name, .root_module = m });
            e.pie = true;
            return e.getEmittedBin();
        }
        const run = Run.create(p.b, p.b.fmt("{s} link {s}", .{ p.v.describe(p.b), name }));
        p.addCompiler(run);
        const out = run.addPrefixedOutputFileArg("-o", name);
        for (sources) |s| run.addFileArg(p.object(s));
        run.addArg("-Wl,--start-group");
        for (parts) |part| if (p.archives.get(part)) |a| run.addFileArg(a);
        if (std.mem.indexOfScalar(Part, parts, .canonical) != null) run.addFileArg(libraft.?);
        run.addArg("-Wl,--end-group");
        for (libraries.items) |l| run.addArg(p.b.fmt("-l{s}", .{l}));
        return out;
    }

    /// The simulator has both engines; with -Draft=canonical so has everything that has core.
    fn withEngines(p: Project, given: []const Part) []const Part {
        const wants = std.mem.indexOfScalar(Part, given, .sim) != null or
            std.mem.indexOfScalar(Part, given, .canonical) != null or raft_engine == .canonical;
        var parts: std.ArrayList(Part) = .empty;
        for (given) |part| if (part != .canonical) parts.append(p.b.allocator, part) catch @panic("OOM");
        if (wants and libraft != null) parts.append(p.b.allocator, .canonical) catch @panic("OOM");
        return parts.items;
    }

    /// A product: DIR/main.c and its part. Null where there is none.
    fn program(p: Project, dir: []const u8, name: []const u8, part: Part) ?LazyPath {
        const main = p.join(dir, "main.c");
        if (!p.exists(main)) return null;
        const slot = known_programs.getOrPut(p.b.allocator, p.b.fmt("{s} {}", .{ name, p.v })) catch @panic("OOM");
        if (!slot.found_existing)
            slot.value_ptr.* = p.executable(name, &.{p.source(main)}, &.{ .core, .codecs, part }, &.{});
        return slot.value_ptr.*;
    }

    /// A program of one file and what it shares with its neighbours, linked with what it includes. Null: not here.
    fn leaf(p: Project, path: []const u8, shared: Strings, base: []const Part) ?LazyPath {
        const b = p.b;
        const root = b.build_root.handle;
        const text = root.readFileAlloc(b.graph.io, path, b.allocator, .limited(1 << 20)) catch @panic(path);
        var parts: std.ArrayList(Part) = .empty;
        var libraries: std.ArrayList([]const u8) = .empty;
        parts.appendSlice(b.allocator, base) catch @panic("OOM");
        for (needs) |need| {
            if (std.mem.indexOf(u8, text, need.include) == null) continue;
            if (need.header) |header| std.Io.Dir.accessAbsolute(b.graph.io, header, .{}) catch return null;
            if (need.part == .canonical and libraft == null) return null;
            if (need.part) |part| parts.append(b.allocator, part) catch @panic("OOM");
            if (need.library) |library| libraries.append(b.allocator, library) catch @panic("OOM");
        }
        var sources: std.ArrayList(Source) = .empty;
        p.append(&sources, p.source(path));
        for (shared) |f| p.append(&sources, p.source(f));
        return p.executable(stem(path), sources.items, parts.items, libraries.items);
    }

    /// A small program for the build itself.
    fn tool(p: Project, name: []const u8, paths: Strings) LazyPath {
        if (known_programs.get(name)) |known| return known;
        const m = p.b.createModule(.{ .target = p.b.graph.host, .optimize = .Debug, .link_libc = true });
        m.addIncludePath(p.b.path("core"));
        for (paths) |path| m.addCSourceFile(.{ .file = p.b.path(path), .flags = &(host_flags ++ zig_flags) });
        const bin = p.b.addExecutable(.{ .name = name, .root_module = m }).getEmittedBin();
        known_programs.put(p.b.allocator, name, bin) catch @panic("OOM");
        return bin;
    }

    fn install(p: Project, bin: ?LazyPath, place: []const u8) void {
        const from = bin orelse return;
        p.b.getInstallStep().dependOn(&p.b.addInstallFileWithDir(from, .prefix, place).step);
    }

    fn command(p: Project, name: []const u8, text: []const u8, bin: ?LazyPath, args: Strings) void {
        p.commands(name, text, bin, &.{args});
    }

    /// One after the other.
    fn commands(p: Project, name: []const u8, text: []const u8, bin: ?LazyPath, each: []const Strings) void {
        const step = p.b.step(name, text);
        var before: ?*Build.Step = null;
        for (each) |args| {
            const run = Run.create(p.b, name);
            run.addFileArg(bin orelse return step.dependOn(&p.b.addFail(p.b.fmt("{s}: no main.c", .{name})).step));
            run.addArgs(args);
            run.stdio = .inherit;
            run.setCwd(.{ .cwd_relative = "." });
            if (before) |first| run.step.dependOn(first);
            before = &run.step;
        }
        if (before) |last| step.dependOn(last);
    }

    /// tests/bench/bench_*.c are programs, each with the other files there. tests/bench/run, if it exists, drives them.
    fn bench(p: Project, step: *Build.Step, args: Strings) void {
        const fast = p.with(.{ .optimize = .ReleaseFast });
        const shared = fast.others("tests/bench", "bench_");
        for (fast.list("tests/bench", "bench_", ".c")) |f| {
            const bin = fast.leaf(fast.join("tests/bench", f), shared, &.{ .core, .codecs }) orelse continue;
            const put = p.b.addInstallFileWithDir(bin, .prefix, p.b.fmt("bench/{s}", .{stem(f)}));
            step.dependOn(&put.step);
        }
        const run = p.b.addSystemCommand(&.{ "sh", "tests/suite/bench.sh" });
        run.addArgs(args);
        p.environment(run);
        run.stdio = .inherit;
        run.step.dependOn(p.b.getInstallStep());
        for (step.dependencies.items) |d| run.step.dependOn(d);
        step.dependOn(&run.step);
    }

    /// Nodes that are killed, paused, wiped, cut off, filled and exchanged, while clients count.
    fn soak(p: Project, step: *Build.Step, args: Strings) void {
        const run = p.b.addSystemCommand(&.{ "tests/clients/run", "soak" });
        p.environment(run);
        run.setEnvironmentVariable("CHRONIK_SOAK_MINUTES", if (args.len > 0) args[0] else "10");
        run.stdio = .inherit;
        run.step.dependOn(p.b.getInstallStep());
        p.installClients(&run.step);
        step.dependOn(&run.step);
    }

    /// tests/clients/*.c are programs for tests/clients/run.
    fn installClients(p: Project, step: *Build.Step) void {
        for (p.list("tests/clients", "", ".c")) |f| {
            const bin = p.leaf(p.join("tests/clients", f), &.{}, &.{}) orelse continue;
            const put = p.b.addInstallFileWithDir(bin, .prefix, p.b.fmt("clients/{s}", .{stem(f)}));
            step.dependOn(&put.step);
        }
    }

    fn fuzzer(p: Project, file: []const u8) LazyPath {
        // Whole runs with a judge that looks for more than a sanitizer does, and for known bugs.
        const runs = std.mem.eql(u8, file, "fuzz_faults.c");
        const q = p.with(if (runs)
            .{ .optimize = .ReleaseFast, .sanitize = .coverage, .mutants = true }
        else
            .{ .optimize = .Debug, .sanitize = .fuzzer });
        return q.leaf(q.join("fuzz", file), q.others("fuzz", "fuzz_"), &.{ .core, .codecs }).?;
    }

    fn fuzz(p: Project, step: *Build.Step, seconds: u32, args: Strings) void {
        const b = p.b;
        for (p.list("fuzz", "fuzz_", ".c")) |f| {
            const name = stem(f)["fuzz_".len..];
            if (args.len > 0 and !std.mem.eql(u8, args[0], name)) continue;
            const run = b.addSystemCommand(&.{ "sh", "tests/suite/fuzz.sh" });
            run.addFileArg(p.fuzzer(f));
            run.addArgs(&.{ name, b.fmt("{d}", .{seconds}) });
            if (args.len > 0) run.addArgs(args[1..]);
            run.setCwd(b.path("."));
            run.setEnvironmentVariable("CHRONIK_MUTANT", fuzz_mutant);
            run.stdio = .inherit;
            step.dependOn(&run.step);
        }
    }

    /// How scripts and tests find the products.
    fn environment(p: Project, run: *Run) void {
        const b = p.b;
        run.setCwd(b.path("."));
        run.setEnvironmentVariable("CHRONIK_SERVER", b.getInstallPath(.bin, "chronik-server"));
        run.setEnvironmentVariable("CHRONIK_SIM", b.getInstallPath(.bin, "chronik-sim"));
        run.setEnvironmentVariable("CHRONIK_CLIENTS", b.getInstallPath(.prefix, "clients"));
        run.setEnvironmentVariable("CHRONIK_BENCH", b.getInstallPath(.prefix, "bench"));
    }

    fn compileCommands(p: Project) []const u8 {
        const b = p.b;
        var out: std.Io.Writer.Allocating = .init(b.allocator);
        var js: std.json.Stringify = .{ .writer = &out.writer, .options = .{ .whitespace = .indent_1 } };
        js.beginArray() catch @panic("OOM");
        var dirs: std.ArrayList([]const u8) = .empty;
        for ([_][]const u8{ "core", "core/codec/external", "core/codec/schema", "core/raft/canonical" }) |d|
            dirs.append(b.allocator, d) catch @panic("OOM");
        for ([_][]const u8{ "runtime", "sim", "fuzz", "tests" }) |d|
            dirs.append(b.allocator, d) catch @panic("OOM");
        for ([_][]const u8{ "core", "tests" }) |d| for (p.directories(d)) |sub|
            dirs.append(b.allocator, p.join(d, sub)) catch @panic("OOM");
        for (dirs.items) |dir| for (p.list(dir, "", ".c")) |c| {
            const path = p.join(dir, c);
            const arguments = std.mem.concat(b.allocator, []const u8, &.{
                &.{"clang"}, flagsOf(path), &.{ "-Icore", "-Itests", "-I.", "-Izig-out/include", "-c", path },
            }) catch @panic("OOM");
            js.write(.{ .directory = b.pathFromRoot("."), .file = path, .arguments = arguments }) catch @panic("OOM");
        };
        js.endArray() catch @panic("OOM");
        return out.written();
    }

    fn cpus(p: Project) []const u8 {
        return p.b.fmt("{d}", .{std.Thread.getCpuCount() catch 1});
    }

    fn join(p: Project, dir: []const u8, name: []const u8) []const u8 {
        return p.b.fmt("{s}/{s}", .{ dir, name });
    }

    fn exists(p: Project, path: []const u8) bool {
        p.b.build_root.handle.access(p.b.graph.io, path, .{}) catch return false;
        return true;
    }

    /// Names DIR/PREFIX*EXT, sorted; none where the directory is absent.
    fn list(p: Project, dir: []const u8, prefix: []const u8, ext: []const u8) Strings {
        return p.entries(dir, .file, prefix, ext);
    }

    fn directories(p: Project, dir: []const u8) Strings {
        return p.entries(dir, .directory, "", "");
    }

    /// Paths DIR/*.c without those that begin with PREFIX: what the programs of a directory share.
    fn others(p: Project, dir: []const u8, prefix: []const u8) Strings {
        var found: std.ArrayList([]const u8) = .empty;
        for (p.list(dir, "", ".c")) |f| if (!std.mem.startsWith(u8, f, prefix))
            found.append(p.b.allocator, p.join(dir, f)) catch @panic("OOM");
        return found.items;
    }

    fn entries(p: Project, dir: []const u8, kind: std.Io.File.Kind, prefix: []const u8, ext: []const u8) Strings {
        const b = p.b;
        var found: std.ArrayList([]const u8) = .empty;
        var d = b.build_root.handle.openDir(b.graph.io, dir, .{ .iterate = true }) catch return &.{};
        defer d.close(b.graph.io);
        var it = d.iterate();
        while (it.next(b.graph.io) catch @panic(dir)) |e|
            if (e.kind == kind and std.mem.startsWith(u8, e.name, prefix) and std.mem.endsWith(u8, e.name, ext))
                found.append(b.allocator, b.dupe(e.name)) catch @panic("OOM");
        std.mem.sort([]const u8, found.items, {}, struct {
            fn less(_: void, x: []const u8, y: []const u8) bool {
                return std.mem.lessThan(u8, x, y);
            }
        }.less);
        return found.items;
    }
};

/// A run of tests/suite/suite.c: its jobs, one after the other on its command line.
const Suite = struct {
    p: Project,
    run: *Run,
    only: []const u8,

    const Manner = enum { together, alone, fixed };

    fn init(p: Project, filter: Strings) Suite {
        const run = Run.create(p.b, "suite");
        run.addFileArg(p.tool("suite", &.{"tests/suite/suite.c"}));
        if (filter.len > 0) run.addArgs(&.{ "--only", filter[0] });
        p.environment(run);
        run.stdio = .inherit;
        run.step.dependOn(p.b.getInstallStep());
        return .{ .p = p, .run = run, .only = if (filter.len > 0) filter[0] else "" };
    }

    /// What is not asked for need not be built.
    fn wants(s: Suite, name: []const u8) bool {
        return std.mem.indexOf(u8, name, s.only) != null;
    }

    /// Opens a job; what is added to run after it is its command.
    fn job(s: Suite, name: []const u8, seconds: u32, manner: Manner) void {
        s.run.addArgs(&.{ switch (manner) {
            .together => ":",
            .alone => ":alone",
            .fixed => ":fixed",
        }, name, s.p.b.fmt("{d}", .{seconds}) });
    }

    fn script(s: Suite, name: []const u8, seconds: u32, manner: Manner, command: Strings) void {
        s.job(name, seconds, manner);
        s.run.addArgs(command);
    }

    fn lint(s: Suite, server: ?LazyPath, mutants: ?LazyPath) void {
        const p = s.p;
        const floors = p.tool("floors", &.{"tests/lint/floors.c"});
        const text = p.tool("text", &.{"tests/lint/text.c"});
        s.script("lint: the suite counts right", 60, .together, &.{ "sh", "tests/suite/selftest.sh" });
        s.run.addFileArg(p.tool("suite", &.{"tests/suite/suite.c"}));
        s.script("lint: the linters find what is planted", 60, .together, &.{ "sh", "tests/lint/selftest.sh" });
        s.run.addFileArg(floors);
        s.run.addFileArg(text);
        s.job("lint: floors", 60, .together);
        s.run.addFileArg(floors);
        s.run.addArg(".");
        s.job("lint: text", 60, .together);
        s.run.addFileArg(text);
        s.run.addArg(".");
        s.script("lint: each mutant has a row", 60, .together, &.{ "sh", "tests/lint/mutants.sh", "." });
        s.script("lint: clang-format", 60, .together, &.{ "sh", "tests/lint/format.sh", "--check", p.b.graph.zig_exe });
        if (p.with(.{ .optimize = .ReleaseFast }).archives.get(.core)) |core| {
            s.script("lint: core's undefined symbols", 60, .together, &.{ "sh", "tests/lint/symbols.sh" });
            s.run.addArg("tests/core_symbols.txt");
            s.run.addFileArg(core);
        }
        if (p.with(.{ .optimize = .ReleaseFast }).archives.get(.canonical)) |canonical| {
            s.script("lint: what the other Raft engine needs", 60, .together, &.{ "sh", "tests/lint/symbols.sh" });
            s.run.addArg("tests/canonical_symbols.txt");
            s.run.addFileArg(canonical);
        }
        if (server) |bin| {
            s.script("lint: no mutant in chronik-server", 60, .together, &.{ "sh", "tests/lint/no_mutants.sh" });
            s.run.addFileArg(bin);
            if (mutants) |with| s.run.addFileArg(with);
        }
    }

    fn unitTests(s: Suite, p: Project) void {
        for (p.list("tests", "test_", ".c")) |f| {
            const name = p.b.fmt("{s} ({s})", .{ stem(f), p.v.describe(p.b) });
            if (!s.wants(name)) continue;
            // These look into our engine, which is not there.
            const ours = std.mem.startsWith(u8, f, "test_raft_") and !std.mem.eql(u8, f, "test_raft_canonical.c");
            if (ours and raft_engine == .canonical) continue;
            const bin = p.leaf(p.join("tests", f), &.{}, &.{ .helpers, .core, .codecs }) orelse continue;
            s.job(name, 180, if (p.v.usesZig()) .together else .fixed);
            s.run.addFileArg(bin);
        }
    }

    /// Bugs that no simulated run shows, each beside a test that does.
    fn testedMutants(s: Suite, p: Project) void {
        const b = p.b;
        const name = "mutants that tests kill";
        if (!s.wants(name) or raft_engine == .canonical) return;
        s.script(name, 300, .together, &.{ "sh", "tests/suite/tested_mutants.sh" });
        const root = b.build_root.handle;
        const list = root.readFileAlloc(b.graph.io, "tests/mutants.txt", b.allocator, .limited(1 << 20)) catch
            @panic("tests/mutants.txt");
        var tests: std.StringArrayHashMapUnmanaged(void) = .empty;
        var lines = std.mem.tokenizeScalar(u8, list, '\n');
        while (lines.next()) |line| if (line[0] != '#') {
            var words = std.mem.tokenizeScalar(u8, line, ' ');
            _ = words.next();
            tests.put(b.allocator, words.next() orelse @panic(line), {}) catch @panic("OOM");
        };
        for (tests.keys()) |t| {
            const file = b.fmt("tests/{s}.c", .{t});
            s.run.addFileArg(p.leaf(file, &.{}, &.{ .helpers, .core, .codecs }) orelse @panic(file));
        }
    }

    fn fuzzTargets(s: Suite) void {
        for (s.p.list("fuzz", "fuzz_", ".c")) |f| {
            if (!s.wants(stem(f))) continue;
            s.script(stem(f), 120, .fixed, &.{ "sh", "tests/suite/fuzz.sh" });
            s.run.addFileArg(s.p.fuzzer(f));
            // The same inputs each time: what `test` says must not depend on luck. `fuzz` is for that.
            s.run.addArgs(&.{ stem(f)["fuzz_".len..], "5", "-seed=1", "-runs=3000" });
        }
    }

    fn simulator(s: Suite, sim: ?LazyPath, mutants: ?LazyPath, seeds: u32) void {
        const b = s.p.b;
        const bin = sim orelse return;
        s.job("sim: seeds", 420, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--seeds", b.fmt("1..{d}", .{seeds}), "--jobs", s.p.cpus() });
        s.job("sim: seeds of three nodes with three replicas", 300, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--seeds", "1..300", "--nodes", "3", "--replicas", "3", "--jobs", s.p.cpus() });
        s.job("sim: seeds of five nodes with three replicas", 300, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--seeds", "1..40", "--nodes", "5", "--replicas", "3", "--jobs", s.p.cpus() });
        s.job("sim: seeds of four nodes, of which one observes", 300, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--seeds", "1..60", "--nodes", "4", "--observers", "1", "--replicas", "3" });
        s.run.addArgs(&.{ "--jobs", s.p.cpus() });
        s.job("sim: seeds of disasters", 300, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--seeds", "1..30", "--jobs", s.p.cpus() });
        s.run.addArgs(&.{ "--nodes", "3", "--replicas", "3", "--disasters", "1" });
        s.job("sim: seeds of consumer groups", 300, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--seeds", "1..100", "--jobs", s.p.cpus() });
        s.run.addArgs(&.{ "--nodes", "3", "--replicas", "3", "--members", "6" });
        s.job("sim: seeds of partitions that move", 300, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--seeds", "1..40", "--jobs", s.p.cpus() });
        s.run.addArgs(&.{ "--nodes", "4", "--replicas", "3", "--moves", "20" });
        s.job("sim: two hundred nodes", 420, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--profile", "scale", "--nodes", "200", "--seed", "1" });
        s.job("sim: a few seeds (clang address)", 180, .fixed);
        s.run.addFileArg(s.p.with(.{ .optimize = .Debug, .sanitize = .address }).program("sim", "chronik-sim", .sim).?);
        s.run.addArgs(&.{ "--seeds", "1..5", "--jobs", "1" });
        s.script("sim: each seed twice, step by step", 180, .together, &.{ "sh", "tests/suite/sim_check.sh" });
        s.run.addFileArg(bin);
        s.run.addArg("20");
        s.script("sim: what a run looks like", 120, .together, &.{ "sh", "tests/suite/timeline.sh" });
        s.run.addFileArg(bin);
        s.script("sim: hunts on many machines", 120, .together, &.{ "sh", "tests/suite/deploy.sh" });
        s.run.addFileArg(bin);
        s.script("sim: schedules of bugs that were", 180, .together, &.{ "sh", "tests/suite/schedules.sh" });
        s.run.addFileArg(bin);
        s.run.addFileArg(mutants.?);
        s.script("sim: what a bench of mutants keeps", 120, .together, &.{ "sh", "tests/suite/bench_results.sh" });
        s.run.addFileArg(mutants.?);
        s.job("sim: mutants", 600, .alone);
        s.run.addFileArg(mutants.?);
        s.run.addArgs(&.{ "--mutants", "--jobs", s.p.cpus() });
        s.raft(bin, mutants.?, seeds);
    }

    /// Members of a Raft group, with either engine.
    fn raft(s: Suite, sim: LazyPath, mutants: LazyPath, seeds: u32) void {
        const b = s.p.b;
        if (raft_engine == .canonical) return;
        s.raftJob("raft: seeds", sim, &.{ "--seeds", b.fmt("1..{d}", .{seeds}), "--jobs", s.p.cpus() });
        s.raftJob("raft: peers that lie", sim, &.{ "--lies", "--seeds", "1..60", "--jobs", s.p.cpus() });
        s.raftJob("raft: each seed twice, call by call", sim, &.{ "--check", "--seeds", "1..20" });
        s.raftJob("raft: mutants", mutants, &.{ "--mutants", "--jobs", s.p.cpus() });
        s.script("raft: canonical/raft and its guards", 300, .alone, &.{ "sh", "tests/suite/raft_guards.sh" });
        s.run.addFileArg(sim);
        s.run.addArg(b.fmt("{d}", .{seeds}));
    }

    fn raftJob(s: Suite, name: []const u8, bin: LazyPath, args: Strings) void {
        s.job(name, 180, .alone);
        s.run.addFileArg(bin);
        s.run.addArgs(&.{ "--raft", "ours" });
        s.run.addArgs(args);
    }

    /// The same seeds through other compilers and levels.
    fn digests(s: Suite) void {
        const p = s.p;
        const name = "sim: one digest from every compiler";
        if (!s.wants(name) or p.program("sim", "chronik-sim", .sim) == null) return;
        s.script(name, 240, .together, &.{ "sh", "tests/suite/digests.sh", "5" });
        for ([_]Variant{
            .{ .optimize = .ReleaseFast },
            .{ .optimize = .Debug },
            .{ .tool = .clang, .optimize = .Debug },
            .{ .tool = .clang, .optimize = .ReleaseFast },
            .{ .tool = .gcc, .optimize = .Debug },
            .{ .tool = .gcc, .optimize = .ReleaseFast },
        }) |v| {
            s.run.addArg(v.describe(p.b));
            const have = v.tool != .gcc or if (p.b.findProgram(&.{"gcc"}, &.{})) |_| true else |_| false;
            if (have) s.run.addFileArg(p.with(v).program("sim", "chronik-sim", .sim).?) else s.run.addArg("absent");
        }
    }

    /// tests/clients/run drives real clients against the server.
    fn clients(s: Suite) void {
        s.p.installClients(&s.run.step);
        if (s.p.exists("tests/clients/run")) s.script("clients", 780, .alone, &.{"tests/clients/run"});
    }
};

fn flagsOf(path: []const u8) Strings {
    const impure = [_][]const u8{ "core/codec/external/", "core/codec/schema/", "core/raft/canonical/" };
    const pure = for (impure) |place| {
        if (std.mem.startsWith(u8, path, place)) break false;
    } else std.mem.startsWith(u8, path, "core/");
    if (pure) return &c_flags;
    if (std.mem.eql(u8, path, "sim/raft_engine.c") and libraft != null) {
        const both = &(host_flags ++ .{"-DCHRONIK_CANONICAL"});
        return if (raft_engine == .ours) both else &(host_flags ++ .{
            "-DCHRONIK_CANONICAL", "-DCHRONIK_RAFT_IS_CANONICAL",
        });
    }
    return if (std.mem.startsWith(u8, path, "fuzz/")) &(host_flags ++ .{"-Wno-missing-prototypes"}) else &host_flags;
}

fn stem(path: []const u8) []const u8 {
    return std.fs.path.stem(path);
}
