<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de">
  <context>
    <name>orapp</name>
    <message>
      <source>CONNECTING</source>
      <translation>VERBINDE</translation>
    </message>
    <message>
      <source>X-RAY ON</source>
      <translation>STRAHLUNG AN</translation>
    </message>
    <message>
      <source>LAST IMAGE HOLD</source>
      <translation>LETZTES BILD GEHALTEN</translation>
    </message>
    <message>
      <source>INPUT FROZEN</source>
      <translation>EINGANG EINGEFROREN</translation>
    </message>
    <message>
      <source>BLACK PICTURE</source>
      <translation>SCHWARZES BILD</translation>
    </message>
    <message>
      <source>NO SIGNAL</source>
      <translation>KEIN SIGNAL</translation>
    </message>
    <message>
      <source>AI STARTING</source>
      <translation>KI STARTET</translation>
    </message>
    <message>
      <source>AI READY</source>
      <translation>KI BEREIT</translation>
    </message>
    <message>
      <source>AI LATE</source>
      <translation>KI VERSPÄTET</translation>
    </message>
    <message>
      <source>AI OFF</source>
      <translation>KI AUS</translation>
    </message>
    <message>
      <source>RUN ENDED</source>
      <translation>LAUF BEENDET</translation>
    </message>
    <message>
      <source>VIEW NOT SUPPORTED</source>
      <translation>ANSICHT NICHT UNTERSTÜTZT</translation>
    </message>
    <message>
      <source>hide the outline while held</source>
      <translation>Umriss verbergen, solange gehalten</translation>
    </message>
    <message>
      <source>outline off / on</source>
      <translation>Umriss aus / ein</translation>
    </message>
    <message>
      <source>store the picture as reference</source>
      <translation>Bild als Referenz speichern</translation>
    </message>
    <message>
      <source>clear the stored reference</source>
      <translation>gespeicherte Referenz verwerfen</translation>
    </message>
    <message>
      <source>freeze the picture beside the live one</source>
      <translation>Bild neben dem Livebild einfrieren</translation>
    </message>
    <message>
      <source>set the baseline of the measures</source>
      <translation>Ausgangswert der Messung setzen</translation>
    </message>
    <message>
      <source>measures off / on (lateral views only)</source>
      <translation>Messung aus / ein (nur seitliche Ansicht)</translation>
    </message>
    <message>
      <source>set a mark in the recording</source>
      <translation>Marke in der Aufzeichnung setzen</translation>
    </message>
    <message>
      <source>recording on / off</source>
      <translation>Aufzeichnung ein / aus</translation>
    </message>
    <message>
      <source>turn the picture</source>
      <translation>Bild drehen</translation>
    </message>
    <message>
      <source>mirror the picture</source>
      <translation>Bild spiegeln</translation>
    </message>
    <message>
      <source>invert the grey levels</source>
      <translation>Graustufen umkehren</translation>
    </message>
    <message>
      <source>brighter</source>
      <translation>heller</translation>
    </message>
    <message>
      <source>darker</source>
      <translation>dunkler</translation>
    </message>
    <message>
      <source>more contrast</source>
      <translation>mehr Kontrast</translation>
    </message>
    <message>
      <source>less contrast</source>
      <translation>weniger Kontrast</translation>
    </message>
    <message>
      <source>grey levels as sent</source>
      <translation>Graustufen wie gesendet</translation>
    </message>
    <message>
      <source>probability map (for the engineer)</source>
      <translation>Wahrscheinlichkeitskarte (für die Technik)</translation>
    </message>
    <message>
      <source>where the judgement looks (for the engineer)</source>
      <translation>worauf das Urteil schaut (für die Technik)</translation>
    </message>
    <message>
      <source>full screen</source>
      <translation>Vollbild</translation>
    </message>
    <message>
      <source>this help</source>
      <translation>diese Hilfe</translation>
    </message>
    <message>
      <source>quit</source>
      <translation>beenden</translation>
    </message>
    <message>
      <source>Hide</source>
      <translation>Verbergen</translation>
    </message>
    <message>
      <source>Outline</source>
      <translation>Umriss</translation>
    </message>
    <message>
      <source>Store</source>
      <translation>Speichern</translation>
    </message>
    <message>
      <source>Clear</source>
      <translation>Verwerfen</translation>
    </message>
    <message>
      <source>Freeze</source>
      <translation>Einfrieren</translation>
    </message>
    <message>
      <source>Measures</source>
      <translation>Messen</translation>
    </message>
    <message>
      <source>Baseline</source>
      <translation>Ausgangswert</translation>
    </message>
    <message>
      <source>Mark</source>
      <translation>Marke</translation>
    </message>
    <message>
      <source>Record</source>
      <translation>Aufzeichnen</translation>
    </message>
    <message>
      <source>Turn</source>
      <translation>Drehen</translation>
    </message>
    <message>
      <source>Mirror</source>
      <translation>Spiegeln</translation>
    </message>
    <message>
      <source>Invert</source>
      <translation>Umkehren</translation>
    </message>
    <message>
      <source>Brighter</source>
      <translation>Heller</translation>
    </message>
    <message>
      <source>Darker</source>
      <translation>Dunkler</translation>
    </message>
    <message>
      <source>Levels</source>
      <translation>Stufen</translation>
    </message>
    <message>
      <source>Help</source>
      <translation>Hilfe</translation>
    </message>
    <message>
      <source>Quit</source>
      <translation>Beenden</translation>
    </message>
    <message>
      <source>last image hold</source>
      <translation>letztes gehaltenes Bild</translation>
    </message>
    <message>
      <source>stored</source>
      <translation>gespeichert</translation>
    </message>
    <message>
      <source>frozen by key</source>
      <translation>mit Taste eingefroren</translation>
    </message>
    <message>
      <source>the outline has not the shape of a vertebral body</source>
      <translation>der Umriss hat nicht die Form eines Wirbelkörpers</translation>
    </message>
    <message>
      <source>the picture's edge cuts the body</source>
      <translation>der Bildrand schneidet den Wirbelkörper</translation>
    </message>
    <message>
      <source>the outline is too small to be measured</source>
      <translation>der Umriss ist zu klein zum Messen</translation>
    </message>
    <message>
      <source>play / pause</source>
      <translation>abspielen / anhalten</translation>
    </message>
    <message>
      <source>one picture back</source>
      <translation>ein Bild zurück</translation>
    </message>
    <message>
      <source>one picture on</source>
      <translation>ein Bild weiter</translation>
    </message>
    <message>
      <source>to the previous event</source>
      <translation>zum vorigen Ereignis</translation>
    </message>
    <message>
      <source>to the next event</source>
      <translation>zum nächsten Ereignis</translation>
    </message>
    <message>
      <source>slower</source>
      <translation>langsamer</translation>
    </message>
    <message>
      <source>faster</source>
      <translation>schneller</translation>
    </message>
    <message>
      <source>to the start</source>
      <translation>an den Anfang</translation>
    </message>
    <message>
      <source>&lt; Event</source>
      <translation>&lt; Ereignis</translation>
    </message>
    <message>
      <source>&lt; Step</source>
      <translation>&lt; Bild</translation>
    </message>
    <message>
      <source>Play / Pause</source>
      <translation>Abspielen</translation>
    </message>
    <message>
      <source>Step &gt;</source>
      <translation>Bild &gt;</translation>
    </message>
    <message>
      <source>Event &gt;</source>
      <translation>Ereignis &gt;</translation>
    </message>
    <message>
      <source>Slower</source>
      <translation>Langsamer</translation>
    </message>
    <message>
      <source>Faster</source>
      <translation>Schneller</translation>
    </message>
    <message>
      <source>Video</source>
      <translation>Video</translation>
    </message>
    <message>
      <source>Picture area</source>
      <translation>Bildfläche</translation>
    </message>
    <message>
      <source>Text and logos</source>
      <translation>Text und Logos</translation>
    </message>
    <message>
      <source>Grey levels</source>
      <translation>Graustufen</translation>
    </message>
    <message>
      <source>Orientation</source>
      <translation>Orientierung</translation>
    </message>
    <message>
      <source>Geometry</source>
      <translation>Geometrie</translation>
    </message>
    <message>
      <source>Check and save</source>
      <translation>Prüfen und speichern</translation>
    </message>
    <message>
      <source>Press the pedal and move the C-arm or the table a little, for ten seconds. Then let go for two.</source>
      <translation>Pedal treten und C-Bogen oder Tisch ein wenig bewegen, zehn Sekunden lang. Dann zwei Sekunden loslassen.</translation>
    </message>
    <message>
      <source>The blue frame holds all of the X-ray picture, and nothing else. Drag it where it does not.</source>
      <translation>Der blaue Rahmen umfasst das ganze Röntgenbild und sonst nichts. Sonst zurechtziehen.</translation>
    </message>
    <message>
      <source>Each burned-in text or logo has an amber frame. Draw what is missing, and remove what is none.</source>
      <translation>Jeder eingebrannte Text, jedes Logo hat einen gelben Rahmen. Fehlende zeichnen, falsche entfernen.</translation>
    </message>
    <message>
      <source>On the right, bone and metal are dark, and black is really black. Else choose.</source>
      <translation>Rechts sind Knochen und Metall dunkel, und Schwarz ist wirklich schwarz. Sonst wählen.</translation>
    </message>
    <message>
      <source>Lay a lead F or R on the detector and press the pedal. On the right it can be read. Else turn and mirror.</source>
      <translation>Ein F oder R aus Blei auf den Detektor legen und Pedal treten. Rechts ist es lesbar. Sonst drehen und spiegeln.</translation>
    </message>
    <message>
      <source>Lay the bead plate flat on the detector, press the pedal, and measure. Then the ruler, ball or cannula at the height of the spine.</source>
      <translation>Kugelplatte flach auf den Detektor legen, Pedal treten, messen. Dann Lineal, Kugel oder Kanüle auf Höhe der Wirbelsäule.</translation>
    </message>
    <message>
      <source>orapp will see what you see on the right. Is it as it should be? Then save.</source>
      <translation>orapp wird sehen, was rechts zu sehen ist. Ist es richtig? Dann speichern.</translation>
    </message>
    <message>
      <source>video</source>
      <translation>Video</translation>
    </message>
    <message>
      <source>pulses</source>
      <translation>Pulse</translation>
    </message>
    <message>
      <source>grabber</source>
      <translation>Grabber</translation>
    </message>
    <message>
      <source>image area</source>
      <translation>Bildfläche</translation>
    </message>
    <message>
      <source>round field</source>
      <translation>rundes Feld</translation>
    </message>
    <message>
      <source>text</source>
      <translation>Text</translation>
    </message>
    <message>
      <source>grey range</source>
      <translation>Graubereich</translation>
    </message>
    <message>
      <source>polarity</source>
      <translation>Polarität</translation>
    </message>
    <message>
      <source>orientation</source>
      <translation>Orientierung</translation>
    </message>
    <message>
      <source>distortion</source>
      <translation>Verzeichnung</translation>
    </message>
    <message>
      <source>spacing</source>
      <translation>Pixelabstand</translation>
    </message>
    <message>
      <source>hold</source>
      <translation>Standbild</translation>
    </message>
    <message>
      <source>outline</source>
      <translation>Umriss</translation>
    </message>
    <message>
      <source>Research use only - not a medical device</source>
      <translation>Nur für die Forschung - kein Medizinprodukt</translation>
    </message>
    <message>
      <source>the outline is too unsure to be measured</source>
      <translation>der Umriss ist zu unsicher zum Messen</translation>
    </message>
    <message>
      <source>ANOTHER C-ARM? Not the video that the site profile is for: nothing is outlined. {key}: outline all the same</source>
      <translation>ANDERER C-BOGEN? Nicht das Video, für das das Profil gemacht ist: nichts wird umrissen. {key}: trotzdem umreißen</translation>
    </message>
    <message>
      <source>RECORDING - quit once more to stop it and leave; it goes on by itself</source>
      <translation>AUFZEICHNUNG LÄUFT - noch einmal beenden stoppt sie und schließt; sonst läuft sie weiter</translation>
    </message>
    <message>
      <source>stored as reference</source>
      <translation>als Referenz gespeichert</translation>
    </message>
    <message>
      <source>recording</source>
      <translation>Aufzeichnung läuft</translation>
    </message>
    <message>
      <source>there is no picture to keep</source>
      <translation>es gibt kein Bild zum Behalten</translation>
    </message>
    <message>
      <source>the stored reference is cleared</source>
      <translation>die gespeicherte Referenz ist verworfen</translation>
    </message>
    <message>
      <source>no reference is stored</source>
      <translation>es ist keine Referenz gespeichert</translation>
    </message>
    <message>
      <source>the frozen picture is let go</source>
      <translation>das eingefrorene Bild ist freigegeben</translation>
    </message>
    <message>
      <source>frozen beside the live picture</source>
      <translation>neben dem Livebild eingefroren</translation>
    </message>
    <message>
      <source>mark {number} at {clock}</source>
      <translation>Marke {number} um {clock}</translation>
    </message>
    <message>
      <source>the measures are off</source>
      <translation>die Messung ist aus</translation>
    </message>
    <message>
      <source>the recording is stopped</source>
      <translation>die Aufzeichnung ist beendet</translation>
    </message>
    <message>
      <source>RECORDING HAS STOPPED</source>
      <translation>AUFZEICHNUNG GESTOPPT</translation>
    </message>
    <message>
      <source>RECORDING WAITS FOR A PICTURE</source>
      <translation>AUFZEICHNUNG WARTET AUF EIN BILD</translation>
    </message>
    <message>
      <source>{count} frames not recorded</source>
      <translation>{count} Bilder nicht aufgezeichnet</translation>
    </message>
    <message>
      <source>this is the baseline now</source>
      <translation>das ist jetzt der Ausgangswert</translation>
    </message>
    <message>
      <source>nothing is measured on this picture</source>
      <translation>auf diesem Bild ist nichts gemessen</translation>
    </message>
    <message>
      <source>looking where the judgement looks</source>
      <translation>es wird berechnet, worauf das Urteil schaut</translation>
    </message>
    <message>
      <source>RECORDING {time}</source>
      <translation>AUFZEICHNUNG {time}</translation>
    </message>
    <message>
      <source>not recording</source>
      <translation>keine Aufzeichnung</translation>
    </message>
    <message>
      <source>not explained: {why}</source>
      <translation>nicht erklärt: {why}</translation>
    </message>
    <message>
      <source>not recording: {why}</source>
      <translation>keine Aufzeichnung: {why}</translation>
    </message>
    <message>
      <source>DISK LOW: {left} GB left</source>
      <translation>PLATTE FAST VOLL: noch {left} GB</translation>
    </message>
    <message>
      <source>Saved: {path}. From now on: orapp live --profile {path}</source>
      <translation>Gespeichert: {path}. Von nun an: orapp live --profile {path}</translation>
    </message>
    <message>
      <source>As orapp will see it</source>
      <translation>So wird orapp es sehen</translation>
    </message>
    <message>
      <source>orapp: calibration</source>
      <translation>orapp: Kalibrierung</translation>
    </message>
    <message>
      <source>Measuring: press the pedal ...</source>
      <translation>Messung läuft: Pedal treten ...</translation>
    </message>
    <message>
      <source>The end of the clip</source>
      <translation>Ende der Aufnahme</translation>
    </message>
    <message>
      <source>What will be written, and how it was found</source>
      <translation>Was geschrieben wird, und wie es gefunden wurde</translation>
    </message>
    <message>
      <source>As orapp will see it: not known yet</source>
      <translation>So wird orapp es sehen: noch nicht bekannt</translation>
    </message>
    <message>
      <source>Let the grabber see this code</source>
      <translation>Der Grabber soll diesen Code sehen</translation>
    </message>
    <message>
      <source>First press the pedal: nothing has been measured yet.</source>
      <translation>Zuerst Pedal treten: Noch ist nichts gemessen.</translation>
    </message>
    <message>
      <source>Connect the C-arm's video again, then press 'Measure again'.</source>
      <translation>Das Bild des C-Bogens wieder anschließen, dann „Neu messen“ drücken.</translation>
    </message>
    <message>
      <source>Nothing is saved yet. Close once more to leave it so.</source>
      <translation>Noch ist nichts gespeichert. Noch einmal schließen, um es dabei zu belassen.</translation>
    </message>
    <message>
      <source>There is no picture: check the cable, and that the C-arm is on.</source>
      <translation>Es kommt kein Bild: Kabel prüfen, und ob der C-Bogen eingeschaltet ist.</translation>
    </message>
    <message>
      <source>The video as it comes: {signal}</source>
      <translation>Das Video, wie es kommt: {signal}</translation>
    </message>
    <message>
      <source>The video has another size: 'Measure again' takes it over.</source>
      <translation>Das Video hat eine andere Größe: „Neu messen“ übernimmt es.</translation>
    </message>
    <message>
      <source>How it was found: {why}</source>
      <translation>Wie es gefunden wurde: {why}</translation>
    </message>
    <message>
      <source>Not sure, please look: {why}</source>
      <translation>Unsicher, bitte prüfen: {why}</translation>
    </message>
    <message>
      <source>Not measured.</source>
      <translation>Nicht gemessen.</translation>
    </message>
    <message>
      <source>Measure the grabber's delay</source>
      <translation>Verzögerung des Grabbers messen</translation>
    </message>
    <message>
      <source>{ms} ms ({low} to {high}), the screen's own delay included.</source>
      <translation>{ms} ms ({low} bis {high}), die des Bildschirms eingeschlossen.</translation>
    </message>
    <message>
      <source>{count} of {all} codes have come back.</source>
      <translation>{count} von {all} Codes sind zurückgekommen.</translation>
    </message>
    <message>
      <source>Plug this screen's output into the grabber, or turn the camera to it.</source>
      <translation>Den Ausgang dieses Bildschirms an den Grabber anschließen oder die Kamera auf ihn richten.</translation>
    </message>
    <message>
      <source>{ms} ms, as before.</source>
      <translation>{ms} ms, wie bisher.</translation>
    </message>
    <message>
      <source>not measured: the picture stays as distorted as it is</source>
      <translation>nicht gemessen: das Bild bleibt so verzeichnet, wie es ist</translation>
    </message>
    <message>
      <source>Measure the plate</source>
      <translation>Platte messen</translation>
    </message>
    <message>
      <source>It is a flat panel</source>
      <translation>Es ist ein Flachdetektor</translation>
    </message>
    <message>
      <source>Ruler</source>
      <translation>Lineal</translation>
    </message>
    <message>
      <source>Steel ball</source>
      <translation>Stahlkugel</translation>
    </message>
    <message>
      <source>Cannula</source>
      <translation>Kanüle</translation>
    </message>
    <message>
      <source>The plate</source>
      <translation>Die Platte</translation>
    </message>
    <message>
      <source>Size</source>
      <translation>Größe</translation>
    </message>
    <message>
      <source>Measure</source>
      <translation>Messen</translation>
    </message>
    <message>
      <source>Take it to the spine</source>
      <translation>Auf die Wirbelsäule umrechnen</translation>
    </message>
    <message>
      <source>From the focal spot:</source>
      <translation>Vom Brennfleck:</translation>
    </message>
    <message>
      <source>Diameter</source>
      <translation>Durchmesser</translation>
    </message>
    <message>
      <source>none</source>
      <translation>keine</translation>
    </message>
    <message>
      <source>Paired: only on its own exposure</source>
      <translation>Gepaart: nur auf der eigenen Aufnahme</translation>
    </message>
    <message>
      <source>Live: dashed, aged</source>
      <translation>Live: gestrichelt, mit Alter</translation>
    </message>
    <message>
      <source>Save the profile</source>
      <translation>Profil speichern</translation>
    </message>
    <message>
      <source>Name:</source>
      <translation>Name:</translation>
    </message>
    <message>
      <source>Distortion:</source>
      <translation>Verzeichnung:</translation>
    </message>
    <message>
      <source>Pixel spacing by:</source>
      <translation>Pixelabstand durch:</translation>
    </message>
    <message>
      <source>measuring ...</source>
      <translation>wird gemessen ...</translation>
    </message>
    <message>
      <source>not measured: heights will be in no mm</source>
      <translation>nicht gemessen: Höhen ohne mm</translation>
    </message>
    <message>
      <source>Outline:</source>
      <translation>Umriss:</translation>
    </message>
    <message>
      <source>proposed</source>
      <translation>vorgeschlagen</translation>
    </message>
    <message>
      <source>Object</source>
      <translation>Objekt</translation>
    </message>
    <message>
      <source>Spine</source>
      <translation>Wirbelsäule</translation>
    </message>
    <message>
      <source>From tick to tick</source>
      <translation>Von Strich zu Strich</translation>
    </message>
    <message>
      <source>From bead to bead</source>
      <translation>Von Kugel zu Kugel</translation>
    </message>
    <message>
      <source>Measure the plate first.</source>
      <translation>Zuerst die Platte messen.</translation>
    </message>
    <message>
      <source>{file} is replaced; it is kept as {file}.bak</source>
      <translation>{file} wird ersetzt; es bleibt als {file}.bak</translation>
    </message>
    <message>
      <source>timing the engine: {count} answers are needed</source>
      <translation>die Zeit der KI wird gemessen: {count} Antworten sind nötig</translation>
    </message>
    <message>
      <source>CHECK</source>
      <translation>PRÜFEN</translation>
    </message>
    <message>
      <source>where the object lay</source>
      <translation>wo das Objekt lag</translation>
    </message>
    <message>
      <source>{seconds} s of video, {exposures} exposures measured.</source>
      <translation>{seconds} s Video, {exposures} Aufnahmen gemessen.</translation>
    </message>
    <message>
      <source>{width} x {height} pixels; last image hold: {hold}; no signal: {lost}</source>
      <translation>{width} x {height} Pixel; Standbild: {hold}; kein Signal: {lost}</translation>
    </message>
    <message>
      <source>X-ray pulses (0: not known)</source>
      <translation>Röntgenpulse (0: unbekannt)</translation>
    </message>
    <message>
      <source>Frames per pulse</source>
      <translation>Bilder je Puls</translation>
    </message>
    <message>
      <source>not seen</source>
      <translation>nicht gesehen</translation>
    </message>
    <message>
      <source>seen</source>
      <translation>gesehen</translation>
    </message>
    <message>
      <source>seen, with a mark</source>
      <translation>gesehen, mit Zeichen</translation>
    </message>
    <message>
      <source>Left</source>
      <translation>Links</translation>
    </message>
    <message>
      <source>Top</source>
      <translation>Oben</translation>
    </message>
    <message>
      <source>Width</source>
      <translation>Breite</translation>
    </message>
    <message>
      <source>Height</source>
      <translation>Höhe</translation>
    </message>
    <message>
      <source>Round field</source>
      <translation>Rundes Feld</translation>
    </message>
    <message>
      <source>Middle x</source>
      <translation>Mitte x</translation>
    </message>
    <message>
      <source>y</source>
      <translation>y</translation>
    </message>
    <message>
      <source>Radius</source>
      <translation>Radius</translation>
    </message>
    <message>
      <source>Remove</source>
      <translation>Entfernen</translation>
    </message>
    <message>
      <source>Delete</source>
      <translation>Entf</translation>
    </message>
    <message>
      <source>Draw with the mouse to add one.
Arrow keys move, with Shift they size.</source>
      <translation>Mit der Maus zeichnen, um einen hinzuzufügen.
Pfeiltasten verschieben, mit Umschalt ändern sie die Größe.</translation>
    </message>
    <message>
      <source>Full: 0 to 255</source>
      <translation>Voll: 0 bis 255</translation>
    </message>
    <message>
      <source>Limited: 16 to 235</source>
      <translation>Begrenzt: 16 bis 235</translation>
    </message>
    <message>
      <source>Twice limited: 30 to 218</source>
      <translation>Zweimal begrenzt: 30 bis 218</translation>
    </message>
    <message>
      <source>Black</source>
      <translation>Schwarz</translation>
    </message>
    <message>
      <source>White</source>
      <translation>Weiß</translation>
    </message>
    <message>
      <source>Bone and metal are dark</source>
      <translation>Knochen und Metall sind dunkel</translation>
    </message>
    <message>
      <source>Bone and metal are bright</source>
      <translation>Knochen und Metall sind hell</translation>
    </message>
    <message>
      <source>As it is</source>
      <translation>Wie es ist</translation>
    </message>
    <message>
      <source>Mirror left and right</source>
      <translation>Links und rechts spiegeln</translation>
    </message>
    <message>
      <source>That is enough: go on.</source>
      <translation>Das genügt: weiter.</translation>
    </message>
    <message>
      <source>In the video, left:</source>
      <translation>Im Video links:</translation>
    </message>
    <message>
      <source>Turn clockwise:</source>
      <translation>Im Uhrzeigersinn drehen:</translation>
    </message>
    <message>
      <source>Then:</source>
      <translation>Dann:</translation>
    </message>
    <message>
      <source>Close</source>
      <translation>Schließen</translation>
    </message>
    <message>
      <source>Back</source>
      <translation>Zurück</translation>
    </message>
    <message>
      <source>Measure again</source>
      <translation>Neu messen</translation>
    </message>
    <message>
      <source>As measured</source>
      <translation>Wie gemessen</translation>
    </message>
    <message>
      <source>Next</source>
      <translation>Weiter</translation>
    </message>
    <message>
      <source> or </source>
      <translation> oder </translation>
    </message>
    <message>
      <source>MIRRORED</source>
      <translation>GESPIEGELT</translation>
    </message>
    <message>
      <source>inverted</source>
      <translation>umgekehrt</translation>
    </message>
    <message>
      <source>TURNED {angle}</source>
      <translation>GEDREHT {angle}</translation>
    </message>
    <message>
      <source>brightness {steps}</source>
      <translation>Helligkeit {steps}</translation>
    </message>
    <message>
      <source>contrast {steps}</source>
      <translation>Kontrast {steps}</translation>
    </message>
    <message>
      <source>MEASURES - on lateral views only</source>
      <translation>MESSUNG - nur auf seitlichen Ansichten</translation>
    </message>
    <message>
      <source>trend</source>
      <translation>Verlauf</translation>
    </message>
    <message>
      <source>Genant not told</source>
      <translation>Genant nicht bestimmbar</translation>
    </message>
    <message>
      <source>THE BASELINE IS DROPPED: the picture has another size</source>
      <translation>DER AUSGANGSWERT IST VERWORFEN: das Bild hat eine andere Größe</translation>
    </message>
    <message>
      <source>no baseline set</source>
      <translation>kein Ausgangswert gesetzt</translation>
    </message>
    <message>
      <source>area {area} {unit}²</source>
      <translation>Fläche {area} {unit}²</translation>
    </message>
    <message>
      <source>POINTS CORRECTED BY HAND</source>
      <translation>PUNKTE VON HAND KORRIGIERT</translation>
    </message>
    <message>
      <source>Genant {grades}</source>
      <translation>Genant {grades}</translation>
    </message>
    <message>
      <source>since baseline: {change}</source>
      <translation>seit Ausgangswert: {change}</translation>
    </message>
    <message>
      <source>no outline to measure on this picture</source>
      <translation>kein Umriss zum Messen auf diesem Bild</translation>
    </message>
    <message>
      <source>lost {lost} % against its own highest end, {grade}</source>
      <translation>Verlust {lost} % gegen die eigene höchste Kante, {grade}</translation>
    </message>
    <message>
      <source>wedge {angle}°</source>
      <translation>Keil {angle}°</translation>
    </message>
    <message>
      <source>one of {count} outlines is measured</source>
      <translation>einer von {count} Umrissen wird gemessen</translation>
    </message>
    <message>
      <source>REPLAY AT ITS END</source>
      <translation>WIEDERGABE AM ENDE</translation>
    </message>
    <message>
      <source>REPLAY PAUSED</source>
      <translation>WIEDERGABE ANGEHALTEN</translation>
    </message>
    <message>
      <source>REPLAY</source>
      <translation>WIEDERGABE</translation>
    </message>
    <message>
      <source>no recorded time</source>
      <translation>keine Zeit aufgezeichnet</translation>
    </message>
    <message>
      <source>RECORDED: not segmented</source>
      <translation>AUFGEZEICHNET: nicht segmentiert</translation>
    </message>
    <message>
      <source>RECORDED: no spine seen</source>
      <translation>AUFGEZEICHNET: keine Wirbelsäule erkannt</translation>
    </message>
    <message>
      <source>RECORDED OUTLINE</source>
      <translation>AUFGEZEICHNETER UMRISS</translation>
    </message>
    <message>
      <source>RECORDED: no fracture outlined</source>
      <translation>AUFGEZEICHNET: keine Fraktur umrissen</translation>
    </message>
    <message>
      <source>no more events that way</source>
      <translation>keine weiteren Ereignisse in dieser Richtung</translation>
    </message>
    <message>
      <source>a replay is not recorded: copy the recording instead</source>
      <translation>eine Wiedergabe wird nicht aufgezeichnet: stattdessen die Aufzeichnung kopieren</translation>
    </message>
    <message>
      <source>a replay keeps no marks</source>
      <translation>eine Wiedergabe behält keine Marken</translation>
    </message>
    <message>
      <source>picture {place} of {count}</source>
      <translation>Bild {place} von {count}</translation>
    </message>
    <message>
      <source>was {states}</source>
      <translation>damals {states}</translation>
    </message>
    <message>
      <source>NO OUTLINES WERE RECORDED</source>
      <translation>KEINE UMRISSE AUFGEZEICHNET</translation>
    </message>
    <message>
      <source>REPLAY {n}x</source>
      <translation>WIEDERGABE {n}x</translation>
    </message>
    <message>
      <source>recorded {time}</source>
      <translation>aufgezeichnet {time}</translation>
    </message>
    <message>
      <source>looks like {signal}</source>
      <translation>sieht aus wie {signal}</translation>
    </message>
    <message>
      <source>RECORDING {fault}</source>
      <translation>AUFZEICHNUNG {fault}</translation>
    </message>
    <message>
      <source>REFERENCE: {kind}, {clock}</source>
      <translation>REFERENZ: {kind}, {clock}</translation>
    </message>
    <message>
      <source>not segmented</source>
      <translation>nicht segmentiert</translation>
    </message>
    <message>
      <source>none for this picture</source>
      <translation>keine für dieses Bild</translation>
    </message>
    <message>
      <source>PROBABILITY MAP - engineer's view, not live</source>
      <translation>WAHRSCHEINLICHKEIT - für die Technik, nicht live</translation>
    </message>
    <message>
      <source>NO REFERENCE YET: {key} stores one</source>
      <translation>NOCH KEINE REFERENZ: {key} speichert eine</translation>
    </message>
    <message>
      <source>no spine seen</source>
      <translation>keine Wirbelsäule erkannt</translation>
    </message>
    <message>
      <source>no fracture outlined</source>
      <translation>keine Fraktur umrissen</translation>
    </message>
    <message>
      <source>GRAD-CAM of {clock} - not live</source>
      <translation>GRAD-CAM von {clock} - nicht live</translation>
    </message>
    <message>
      <source>no case id</source>
      <translation>keine Fallnummer</translation>
    </message>
    <message>
      <source>Case {id}</source>
      <translation>Fall {id}</translation>
    </message>
    <message>
      <source>Pause</source>
      <translation>Anhalten</translation>
    </message>
    <message>
      <source>Play</source>
      <translation>Abspielen</translation>
    </message>
    <message>
      <source>{key} help</source>
      <translation>{key} Hilfe</translation>
    </message>
    <message>
      <source>trained on {what}</source>
      <translation>trainiert an: {what}</translation>
    </message>
    <message>
      <source>AI late: no outline on the newest picture</source>
      <translation>KI verspätet: kein Umriss auf dem neuesten Bild</translation>
    </message>
    <message>
      <source>not a pixel has changed since {clock}: check the cable</source>
      <translation>kein Bildpunkt hat sich seit {clock} geändert: Kabel prüfen</translation>
    </message>
    <message>
      <source>the C-arm sends a black picture</source>
      <translation>der C-Bogen sendet ein schwarzes Bild</translation>
    </message>
    <message>
      <source>OUTLINE HIDDEN</source>
      <translation>UMRISS VERBORGEN</translation>
    </message>
    <message>
      <source>fracture outlined</source>
      <translation>Fraktur umrissen</translation>
    </message>
    <message>
      <source>WAITING FOR PICTURE</source>
      <translation>WARTE AUF BILD</translation>
    </message>
    <message>
      <source>no spine seen: nothing is outlined</source>
      <translation>keine Wirbelsäule erkannt: kein Umriss</translation>
    </message>
    <message>
      <source>RECORDED: {state}</source>
      <translation>AUFGEZEICHNET: {state}</translation>
    </message>
    <message>
      <source>AI off: {why}</source>
      <translation>KI aus: {why}</translation>
    </message>
    <message>
      <source>RECORDING HAS STOPPED: {why}</source>
      <translation>AUFZEICHNUNG GESTOPPT: {why}</translation>
    </message>
    <message>
      <source>held {age} s</source>
      <translation>gehalten {age} s</translation>
    </message>
    <message>
      <source>last picture {clock}</source>
      <translation>letztes Bild {clock}</translation>
    </message>
    <message>
      <source>outline is {age} ms old</source>
      <translation>Umriss ist {age} ms alt</translation>
    </message>
    <message>
      <source>{rate} pulses/s</source>
      <translation>{rate} Pulse/s</translation>
    </message>
    <message>
      <source>video {rate}/s</source>
      <translation>Video {rate}/s</translation>
    </message>
    <message>
      <source>picture {age} ms</source>
      <translation>Bild {age} ms</translation>
    </message>
    <message>
      <source>outline {age} ms</source>
      <translation>Umriss {age} ms</translation>
    </message>
    <message>
      <source>no picture yet</source>
      <translation>noch kein Bild</translation>
    </message>
  </context>
</TS>
