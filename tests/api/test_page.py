"""The pages as the daemon sends them: tables without scripts, and the files that make them more."""

import gzip
import re
import unittest

from jobkit import body, everything, finished, submit
from wirekit import Case

NAME = '<b>"R&D"</b>'
ESCAPED = "&lt;b>&quot;R&amp;D&quot;&lt;/b>"


class Page(Case):
    def page(self, path):
        status, sent, text = self.raw("GET", path)
        self.assertEqual((status, sent["content-type"]), (200, "text/html; charset=utf-8"))
        return sent, text.decode()

    def test_jobs_and_trials_are_tables_that_need_no_script(self):
        job = submit(self.daemon, body(self.evaluator.url, name=NAME))
        document = finished(self.daemon, job)
        _, home = self.page("/")
        self.assertIn(f'<a href="./jobs/{job}">{ESCAPED}</a>', home)
        _, page = self.page(f"/jobs/{job}")
        self.assertIn(f"<h1>{ESCAPED}</h1>", page)
        for text in (home, page):
            self.assertIn(document["best"]["verdict"], text)
            self.assertNotIn("<b>", text)
        rows = page.split("Trials, newest first")[1].count("<tr><td")
        self.assertEqual(rows, len(everything(self.daemon, f"/v1/jobs/{job}/trials")))
        # A proxy may have put a path before all of it.
        self.assertEqual(re.findall(r'(?:src|href)="(/[^"]*)', home + page), [])
        self.assertIn(f'href="../v1/jobs/{job}/best"', page)
        self.assertIn('href="../page/', page)
        self.ask("GET", "/jobs/job_none", 404)
        wanted = "text/html,application/xml;q=0.9,*/*;q=0.8"
        status, sent, nothing = self.raw("GET", "/jobs/job_<none>", Accept=wanted)
        self.assertEqual((status, sent["content-type"]), (404, "text/html; charset=utf-8"))
        self.assertIn("No job has the id job_&lt;none>.", nothing.decode())

    def test_nothing_inline_may_run_and_nobody_else_is_asked(self):
        sent, text = self.page("/")
        policy = dict(part.split(" ", 1) for part in sent["content-security-policy"].split("; "))
        self.assertEqual(policy["default-src"], "'none'")
        self.assertNotIn("unsafe", sent["content-security-policy"])
        for found in re.findall(r"<script[^>]*>|<link[^>]*>", text):
            self.assertRegex(found, r'(src|href)="\./page/[\w.-]+"')
        self.assertNotRegex(text, r"<style|style=|\son\w+=|https?://")

    def test_files_are_packed_and_kept_for_ever(self):
        _, text = self.page("/")
        paths = re.findall(r'"\.(/page/[^"]+)"', text)
        self.assertGreaterEqual(len(paths), 2)
        for path in paths:
            _, plain, content = self.raw("GET", path)
            _, sent, packed = self.raw("GET", path, Accept_Encoding="gzip")
            self.assertEqual(gzip.decompress(packed), content)
            self.assertEqual(sent["cache-control"], "public, max-age=31536000, immutable")
            self.assertEqual(sent["etag"], plain["etag"][:-1] + '-gzip"')
            status, _, _ = self.raw("GET", path, If_None_Match=sent["etag"])
            self.assertEqual(status, 304)
        self.ask("GET", "/page/none.js", 404)


if __name__ == "__main__":
    unittest.main()
