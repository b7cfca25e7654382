#!/usr/bin/env python3
"""The cache of compiled kernels as a user meets it: faster, never wrong, never in the way."""
import os
import resource
import signal
import subprocess

from support import NETC, Case, main, read_npy

NOBODY = 65534
BENCH = ("bench", "tiny.net", "--batch", 4, "--threads", 2, "--seconds", 0)


class Cache(Case):
    def setUp(self):
        super().setUp()
        self.tiny()
        self.cache = self.folder / "cache"  # support.py names it to every command

    def code(self, *args, **kwargs):
        return self.json(*BENCH, *args, **kwargs)["code"]

    def entries(self):
        return sorted(path for path in self.cache.glob("??/*") if not path.name.startswith("."))

    def predict(self, *args):
        self.netc("predict", "tiny.net", "--random-weights", "--random-input", "--output", "y.npy", *args)
        return read_npy(self.folder / "y.npy")

    def test_second_time_is_a_hit(self):
        first, second = self.code(), self.code()
        self.assertGreater(first["compiled"], 0)
        self.assertEqual(first["misses"], {"new": first["compiled"]})
        self.assertEqual((second["from_cache"], second["compiled"]), (first["compiled"], 0))
        self.assertIn("from the cache", self.netc(*BENCH).stdout)
        self.assertEqual(len(self.entries()), first["compiled"])
        self.assertEqual(self.predict(), self.predict("--no-cache"))

    def test_kernels_are_shared_between_programs(self):
        self.code()
        training = self.json(*BENCH, "--train")["code"]
        self.assertGreater(training["from_cache"], 0)
        self.assertGreater(training["compiled"], 0)

    def test_folder_belongs_to_the_user_alone(self):
        old = os.umask(0)
        try:
            self.code()
        finally:
            os.umask(old)
        self.assertEqual(self.cache.stat().st_mode & 0o7777, 0o700)
        for path in self.entries():
            self.assertEqual((path.parent.stat().st_mode & 0o7777, path.stat().st_mode & 0o7777), (0o700, 0o600))

    def test_off_switches(self):
        for args, env in ((["--no-cache"], {}), (["--cache-dir", "none"], {}), ([], {"NETC_CACHE_DIR": "none"})):
            code = self.code(*args, env=env)
            self.assertEqual((code["cache"], code["from_cache"], code["misses"]), (False, 0, {}))
        self.assertFalse(self.cache.exists())

    def test_places(self):
        self.code("--cache-dir", "here")
        self.assertTrue((self.folder / "here").is_dir())
        self.assertFalse(self.cache.exists())
        where = lambda **env: self.json("cache", "path", env={"NETC_CACHE_DIR": "", **env})["path"]
        self.assertEqual(where(XDG_CACHE_HOME="/x"), "/x/netc")
        self.assertEqual(where(XDG_CACHE_HOME="", HOME="/h"), "/h/.cache/netc")

    def test_damaged_entries_are_said_and_compiled_again(self):
        before = self.predict()
        paths = self.entries()
        self.assertGreater(len(paths), 3)
        paths[0].write_bytes(b"")
        paths[1].write_bytes(paths[1].read_bytes()[:-20])
        middle = bytearray(paths[2].read_bytes())
        middle[len(middle) // 2] ^= 1
        paths[2].write_bytes(middle)
        done = self.netc("predict", "tiny.net", "--random-weights", "--random-input", "--output", "y.npy")
        self.assertEqual(done.stderr.count("A0901 advice:"), 3)
        self.assertEqual(done.stderr.count("is damaged"), 3)
        self.assertEqual(read_npy(self.folder / "y.npy"), before)
        self.assertEqual(self.netc("predict", "tiny.net", "--random-weights", "--random-input").stderr, "")
        self.assertEqual(self.entries(), paths)

    def test_an_object_of_another_compiler_is_not_used(self):
        self.code()
        for path in self.entries():
            path.rename(path.with_name(path.name[:-16] + "0123456789abcdef"))
        code = self.code()
        self.assertEqual(code["misses"], {"of another compiler": code["compiled"]})

    def test_many_processes_at_once(self):
        command = [NETC, "predict", "tiny.net", "--random-weights", "--random-input", "--threads", "1"]
        env = {**os.environ, "NETC_CACHE_DIR": str(self.cache)}
        running = [subprocess.Popen(command, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                   for _ in range(6)]
        results = {process.communicate(timeout=300) for process in running}
        self.assertEqual(len(results), 1, results)
        self.assertEqual(results.pop()[1], "")
        self.assertEqual(self.json("cache", "verify")["damaged"], [])

    def test_a_full_disk_is_a_warning(self):
        def no_space():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        env = {**os.environ, "NETC_CACHE_DIR": str(self.cache)}
        done = subprocess.run([NETC, *map(str, BENCH)], cwd=self.folder, env=env, preexec_fn=no_space, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("A0901 advice: compiled kernels are not kept: cannot write"), 1, done.stderr)
        self.assertEqual(self.entries(), [])
        self.assertEqual([path for path in self.cache.rglob(".tmp-*")], [])

    def test_folders_that_cannot_be_trusted(self):
        self.cache.mkdir()
        self.cache.chmod(0o777)
        done = self.netc(*BENCH)
        self.assertIn("may be written by others (mode 0777)", done.stderr)
        self.assertEqual(self.entries(), [])
        self.assertEqual(self.netc(*BENCH, "-q").stderr, "")
        self.assertIn("E0926", self.netc("cache", code=4).stderr)
        self.assertIn("E0926", self.netc("cache", "clear", "--cache-dir", "tiny.net", code=4).stderr)
        self.assertIn("E0926", self.netc("cache", env={"NETC_CACHE_DIR": "none"}, code=4).stderr)
        self.assertIn("A0901", self.netc(*BENCH, "--cache-dir", "tiny.net/below").stderr)

    def test_read_only_folder_is_read(self):
        as_user = {} if os.geteuid() else {"user": NOBODY, "group": NOBODY}
        if as_user:  # root may write everywhere
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        env = {**os.environ, "NETC_CACHE_DIR": str(self.cache)}

        def run(*args):
            return subprocess.run([NETC, *map(str, args)], cwd=self.folder, env=env, capture_output=True, text=True, **as_user)
        try:
            run("--version").check_returncode()
        except (PermissionError, subprocess.CalledProcessError):
            self.skipTest("another user cannot run netc here")
        self.assertEqual(run(*BENCH).returncode, 0)
        folders = [self.cache, *self.cache.glob("??")]
        for folder in folders:
            folder.chmod(0o500)
        try:
            hit, miss = run(*BENCH, "--json"), run(*BENCH, "--train")
        finally:
            for folder in folders:
                folder.chmod(0o700)
        self.assertIn('"compiled": 0', hit.stdout)
        self.assertEqual(hit.stderr, "")
        self.assertEqual(miss.returncode, 0)
        self.assertEqual(miss.stderr.count("A0901"), 1, miss.stderr)

    def test_size_is_bounded(self):
        small = {"NETC_CACHE_SIZE": "20K"}
        compiled = self.code("--train", env=small)["compiled"]
        self.assertLessEqual(self.json("cache")["bytes"], 20 << 10)
        code = self.code("--train", env=small)
        self.assertGreater(code["misses"]["evicted"], 0)
        self.assertEqual(code["misses"]["evicted"] + code["from_cache"], compiled)
        self.assertIn("NETC_CACHE_SIZE", self.netc(*BENCH, env={"NETC_CACHE_SIZE": "lots"}).stderr)

    def test_cache_command(self):
        empty = self.json("cache")
        self.assertEqual((empty["path"], empty["entries"], empty["bytes"]), (str(self.cache), 0, 0))
        self.assertFalse(self.cache.exists(), "looking makes nothing")
        for action in ("list", "verify", "clear", "prune", "stats"):
            self.netc("cache", action)
        compiled = self.code()["compiled"]
        entries = self.json("cache", "list")
        self.assertEqual(len(entries), compiled)
        self.assertTrue(all(entry["kernel"].startswith("netc_") and "LLVM" in entry["compiler"] for entry in entries))
        self.assertIn(f"{compiled} compiled kernels", self.netc("cache").stdout)
        self.entries()[0].write_bytes(b"?")
        self.assertEqual(len(self.json("cache", "verify", code=3)["damaged"]), 1)
        self.assertEqual(self.json("cache", "verify")["good"], compiled - 1)
        self.netc("cache", "prune", "--max-size", "10K")
        self.assertLessEqual(self.json("cache")["bytes"], 10 << 10)
        (self.cache / "mine.txt").write_text("not an entry")
        self.netc("cache", "clear")
        self.assertEqual(self.entries(), [])
        self.assertTrue((self.cache / "mine.txt").exists())
        for args in (["clear", "--max-size"], ["burn"], ["prune", "--max-size", "lots"]):
            self.netc("cache", *args, code=2)


if __name__ == "__main__":
    main()
