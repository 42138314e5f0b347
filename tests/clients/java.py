"""Apache Kafka's command line tools, run as programs."""
import os
import subprocess

import packages
from server import require

SECONDS = 60


def tool(name, *arguments, data="", code=0):
    """What it said; on its way to a refusal also what it complained of."""
    command = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp",
               os.path.join(packages.java.get(), "lib", "*"), name, *arguments]
    done = subprocess.run(command, input=data.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=SECONDS, check=False)
    said, complained = done.stdout.decode(), done.stderr.decode()
    require(done.returncode == code, f"{name} {' '.join(arguments)}: exit code {done.returncode}: "
                                     f"{said[-500:]} {complained[-500:]}")
    return said if code == 0 else said + complained
