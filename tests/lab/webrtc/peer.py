"""aiortc as WebRTC peer, told by the test what to do: peer.py http://ADDRESS:PORT SAYS.wav"""
import asyncio, io, json, sys, traceback, urllib.request, wave
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from aiortc.mediastreams import MediaStreamError
from av import AudioResampler

server, says = sys.argv[1:]
RATE = 48000


async def ask(path, body=None):
    def work():
        with urllib.request.urlopen(urllib.request.Request(server + path, data=body)) as answer:
            return answer.read()
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def listen(track, heard):
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    try:
        while True:
            for frame in resampler.resample(await track.recv()):
                heard.append(bytes(frame.planes[0])[: 2 * frame.samples])
    except MediaStreamError:
        pass
    except Exception:
        traceback.print_exc()


def wav(heard):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(b"".join(heard))
    return file.getvalue()


async def run():
    peer, heard, tasks = RTCPeerConnection(), [], []
    peer.on("track", lambda track: tasks.append(asyncio.ensure_future(listen(track, heard))))
    player = MediaPlayer(says, loop=True)
    task = json.loads(await ask("/task"))
    if task["type"] == "offer":
        await peer.setRemoteDescription(RTCSessionDescription(task["sdp"], "offer"))
        peer.addTrack(player.audio)
        await peer.setLocalDescription(await peer.createAnswer())
    else:
        peer.addTrack(player.audio)
        await peer.setLocalDescription(await peer.createOffer())
    await ask("/local", peer.localDescription.sdp.encode())
    if task["type"] != "offer":
        answer = json.loads(await ask("/answer"))
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
    await ask("/over")
    await ask("/heard", wav(heard))
    await peer.close()


try:
    asyncio.run(run())
except Exception:
    urllib.request.urlopen(urllib.request.Request(server + "/failed", data=traceback.format_exc().encode()))
