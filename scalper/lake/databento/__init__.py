"""Databento's historical data: what is asked, what it may cost, the calls, the raw files, and their way into the lake.

Here live requests and their plan, the paced client with its retries, batch jobs, raw files with manifests, definitions
and the vendor's word on its own days. Not here: reading DBN (files/), the loopback server (sandbox/).
"""
