"""What Dagster runs, and when: definitions, lanes, jobs, schedules, sensors, partitions, the demo.

Here lives orchestration only: no file formats, no thresholds, no arithmetic. What an asset does is in assets/, what it
is given in resources/, and all the work in scalper/, which runs without Dagster.
"""
