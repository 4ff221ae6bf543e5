-- The base station's schema, as cogent-house base stations have it (InnoDB).
CREATE TABLE Deployment (
  id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255), description VARCHAR(255),
  startDate DATETIME NULL, endDate DATETIME NULL) ENGINE=InnoDB;
CREATE TABLE House (
  id INT AUTO_INCREMENT PRIMARY KEY, deploymentId INT NULL, address VARCHAR(255),
  startDate DATETIME NULL, endDate DATETIME NULL, serverid INT NULL,
  FOREIGN KEY (deploymentId) REFERENCES Deployment (id)) ENGINE=InnoDB;
CREATE TABLE RoomType (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20)) ENGINE=InnoDB;
CREATE TABLE Room (
  id INT AUTO_INCREMENT PRIMARY KEY, roomTypeId INT NULL, name VARCHAR(20),
  FOREIGN KEY (roomTypeId) REFERENCES RoomType (id)) ENGINE=InnoDB;
CREATE TABLE Location (
  id INT AUTO_INCREMENT PRIMARY KEY, houseId INT NULL, roomId INT NULL,
  UNIQUE KEY house_room (houseId, roomId),
  FOREIGN KEY (houseId) REFERENCES House (id),
  FOREIGN KEY (roomId) REFERENCES Room (id)) ENGINE=InnoDB;
CREATE TABLE NodeType (
  id INT NOT NULL PRIMARY KEY, name VARCHAR(20), time DATETIME NULL, seq INT, updated_seq INT,
  period INT, blink TINYINT(1), configured VARCHAR(10)) ENGINE=InnoDB;
CREATE TABLE SensorType (
  id INT NOT NULL PRIMARY KEY, name VARCHAR(255), code VARCHAR(50), units VARCHAR(20),
  c0 FLOAT, c1 FLOAT, c2 FLOAT, c3 FLOAT) ENGINE=InnoDB;
CREATE TABLE Node (
  id INT NOT NULL PRIMARY KEY, locationId INT NULL, nodeTypeId INT NULL,
  FOREIGN KEY (locationId) REFERENCES Location (id),
  FOREIGN KEY (nodeTypeId) REFERENCES NodeType (id)) ENGINE=InnoDB;
CREATE TABLE Sensor (
  id INT AUTO_INCREMENT PRIMARY KEY, sensorTypeId INT NULL, nodeId INT NULL,
  calibrationSlope FLOAT, calibrationOffset FLOAT,
  FOREIGN KEY (sensorTypeId) REFERENCES SensorType (id),
  FOREIGN KEY (nodeId) REFERENCES Node (id)) ENGINE=InnoDB;
CREATE TABLE Reading (
  time DATETIME NOT NULL, nodeId INT NOT NULL, type INT NOT NULL, locationId INT NULL, value FLOAT,
  PRIMARY KEY (time, nodeId, type),
  FOREIGN KEY (nodeId) REFERENCES Node (id),
  FOREIGN KEY (type) REFERENCES SensorType (id),
  FOREIGN KEY (locationId) REFERENCES Location (id)) ENGINE=InnoDB;
CREATE TABLE NodeState (
  id INT AUTO_INCREMENT PRIMARY KEY, time DATETIME NULL, nodeId INT NULL, parent INT NULL,
  `localtime` BIGINT NULL, seq_num INT NULL, rssi FLOAT NULL,
  FOREIGN KEY (nodeId) REFERENCES Node (id)) ENGINE=InnoDB;
